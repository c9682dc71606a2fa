//! Reads a config file by file: values and names first, then each block in its place.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::block::Block;
use crate::config::document::{self, RawBlock};
use crate::config::renderer::Renderer;
use crate::config::resource::Resources;
use crate::config::scope::Scope;
use crate::config::settings::Settings;
use crate::config::{File, Level, Setting, limits, nearest, sealed};
use crate::fault::{Fault, Place};

/// Collects blocks and faults from one file after another.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) scope: Scope,
    pub(super) blocks: Vec<Block>,
    pub(super) resources: Resources,
    pub(super) settings: Settings,
    pub(super) faults: Vec<Fault>,
    /// The values that the files set, the weakest first.
    pub(super) vars: Vec<Setting>,
    /// Where each id was first given.
    pub(super) ids: BTreeMap<String, Place>,
    /// For each block, the handlers that it names and where.
    pub(super) notices: Vec<Vec<(String, Place)>>,
    /// The tags by which the blocks of this run are chosen; all of them if there is none.
    pub(super) chosen: BTreeSet<String>,
    /// The tags of each file, which all its blocks have.
    pub(super) tags: BTreeMap<usize, Vec<String>>,
}

impl Reader {
    /// Reads the files with what is known besides them.
    pub(super) fn of(files: &[File], scope: Scope) -> Self {
        let mut reader = Self {
            chosen: scope.given.tags.clone(),
            scope,
            ..Self::default()
        };
        reader.read(files);
        reader
    }

    fn read(&mut self, files: &[File]) {
        let documents: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(i, file)| document::read(&file.text, i, &mut self.faults))
            .collect();
        // Values and names first: a block may use what stands below it.
        let mut blocks = Vec::new();
        for (file, document) in documents.into_iter().enumerate() {
            for (name, table) in document.tables {
                self.table(name, table, file, &mut blocks);
            }
            blocks.extend(document.blocks);
        }
        // Handlers run when all else is done, wherever they stand.
        blocks.sort_by_key(|block: &RawBlock<'_>| (block.kind == "handler", block.place.order()));
        if blocks.len() > limits::BLOCKS {
            let place = blocks[limits::BLOCKS].place.clone();
            let what = format!("a run has at most {} blocks", limits::BLOCKS);
            self.faults.push(Fault::error(what, place));
            return;
        }
        let mut scope = std::mem::take(&mut self.scope);
        let set = self.vars.iter();
        scope
            .vars
            .extend(set.map(|set| (set.name.clone(), set.value.clone())));
        scope.vars.extend(scope.given.vars.clone());
        scope.named = self.resources.secrets.keys().cloned().collect();
        sealed::open(&self.resources, &mut scope, &mut self.faults);
        let renderer = Renderer::of(&scope);
        let (mut errors, mut looked_at) = (0, 0);
        for raw in blocks {
            self.block(raw, &renderer);
            let new = &self.faults[looked_at..];
            errors += new.iter().filter(|fault| fault.is_error()).count();
            looked_at = self.faults.len();
            if errors >= limits::FAULTS {
                break;
            }
        }
        drop(renderer);
        self.scope = scope;
        self.resolve_notices();
    }

    /// Finds the handlers that blocks notify, which may stand anywhere.
    fn resolve_notices(&mut self) {
        let handlers: BTreeMap<String, usize> = (0..self.blocks.len())
            .filter(|index| self.blocks[*index].kind == "handler")
            .map(|index| (self.blocks[index].id.clone(), index))
            .collect();
        let names = || handlers.keys().filter_map(|id| id.strip_prefix("handler:"));
        for (block, notices) in self
            .blocks
            .iter_mut()
            .zip(std::mem::take(&mut self.notices))
        {
            for (name, place) in notices {
                let index = handlers
                    .get(&name)
                    .or_else(|| handlers.get(&format!("handler:{name}")));
                if let Some(index) = index {
                    block.notify.push(*index);
                    continue;
                }
                let fault = Fault::error(format!("there is no handler `{name}`"), place);
                self.faults.push(match nearest(&name, names()) {
                    Some(near) => fault.label(format!("did you mean `{near}`?")),
                    None => fault.hint(format!("write a [[handler]] with name = \"{name}\"")),
                });
            }
        }
    }

    fn set(&mut self, settings: Vec<Setting>) {
        for setting in settings.iter().filter(|set| set.asks_for_another()) {
            let what = format!("`vars.{}` holds braces that nobody renders", setting.name);
            let hint = "values name no others: write {{ }} in the block that uses it";
            let place = setting.place.clone();
            self.faults
                .extend(place.map(|at| Fault::error(what, at).hint(hint)));
        }
        self.vars.extend(settings);
    }

    fn table<'a>(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'a>>,
        file: usize,
        blocks: &mut Vec<RawBlock<'a>>,
    ) {
        let place = Place {
            file,
            span: value.span(),
        };
        match name {
            "vars" => match value.get_ref().as_table() {
                Some(table) => self.set(Setting::all(table, &Level::Config, file)),
                None => self
                    .faults
                    .push(Fault::error("`vars` is a table: write [vars]", place)),
            },
            "secret" if value.get_ref().is_integer() => {
                // The original parsed this number and never looked at it.
                let what = "a number as `secret` has no effect; leave it out";
                self.faults.push(Fault::warning(what, place));
            }
            "bucket" | "repo" | "secret" => {
                blocks.extend(self.resources.read(name, value, file, &mut self.faults));
            }
            "tags" => {
                if let Ok(tags) = Vec::deserialize(ValueDeserializer::from(value)) {
                    self.tags.insert(file, tags);
                } else {
                    let fault = Fault::error("`tags` is a list of words", place);
                    self.faults.push(fault.hint("tags = [\"web\"]"));
                }
            }
            "settings" => {
                if let Some(settings) = Settings::read(value, file, &mut self.faults) {
                    self.settings = settings;
                }
            }
            "name" if value.get_ref().is_str() => {}
            "name" => self.faults.push(Fault::error("`name` is a string", place)),
            _ => {
                let what = format!("`{name}` comes with a later version of hpt");
                self.faults.push(Fault::error(what, place));
            }
        }
    }
}
