//! Reads a config file by file: values and names first, then each block in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::block::Block;
use crate::config::document::{self, Document, RawBlock};
use crate::config::frame::Frame;
use crate::config::include::{self, directory};
use crate::config::names::Names;
use crate::config::renderer::Renderer;
use crate::config::resource::Resources;
use crate::config::scope::{Scope, is_template};
use crate::config::settings::Settings;
use crate::config::tree::Tree;
use crate::config::{ConfigName, File, Level, Setting, limits, nearest, sealed, vars};
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
    /// What the files set for groups of targets, whichever the target's are.
    pub(super) group_vars: Vec<Setting>,
    /// Where each id was first given.
    pub(super) ids: BTreeMap<String, Place>,
    /// How ids may begin that only the target can tell; see [`Reader::may_stand_there`].
    pub(super) open: Vec<String>,
    /// For each block, the handlers that it names and where.
    pub(super) notices: Vec<Vec<(String, Place)>>,
    /// The tags by which the blocks of this run are chosen; all of them if there is none.
    pub(super) chosen: BTreeSet<String>,
    /// The tags that blocks have as they are written, also those of blocks for other hosts.
    pub(super) written_tags: BTreeSet<String>,
    /// The tags of each file, which all its blocks have.
    pub(super) tags: BTreeMap<usize, Vec<String>>,
    /// The directory of each file, to which its paths are relative.
    pub(super) dirs: Vec<String>,
    /// What its blocks that wait for results may name, once one of them is decided.
    pub(super) names: Arc<OnceLock<Names>>,
    /// What the first file calls the config.
    pub(super) name: Option<ConfigName>,
    /// Whether it is asked for values alone, and leaves blocks unread.
    pub(super) skims: bool,
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

    /// Reads the values of the files and nothing else.
    pub(super) fn skim(files: &[File], scope: Scope) -> Self {
        let mut reader = Self {
            scope,
            skims: true,
            ..Self::default()
        };
        reader.read(files);
        reader
    }

    fn read(&mut self, files: &[File]) {
        self.dirs = files
            .iter()
            .map(|file| directory(&file.name).to_owned())
            .collect();
        let documents = files.iter().enumerate();
        let mut documents: Vec<_> = documents
            .map(|(i, file)| document::read(&file.text, i, &mut self.faults))
            .collect();
        let (mut includes, mut roles) = (Vec::new(), Vec::new());
        for (file, document) in documents.iter_mut().enumerate() {
            let value = document.take("include");
            let name = &files[file].name;
            includes.push(value.map_or_else(Vec::new, |value| {
                include::read(value, name, file, &mut self.faults)
            }));
            roles.push(self.role(document, name, file));
        }
        let tree = Tree::grow(
            files,
            &includes,
            self.scope.given.included,
            &mut self.faults,
        );
        // Values and names first: a block may use what stands below it.
        let mut named = BTreeMap::new();
        for number in &tree.order {
            let file = tree.instances[*number].file;
            for (name, table) in std::mem::take(&mut documents[file].tables) {
                let blocks = named.entry(file).or_insert_with(Vec::new);
                self.table(name, table, file, blocks);
            }
        }
        let mut scope = std::mem::take(&mut self.scope);
        let set = self.vars.iter();
        scope
            .vars
            .extend(set.map(|set| (set.name.clone(), set.value.clone())));
        let of_groups = vars::of_groups(&self.group_vars, &scope.given, &mut self.faults);
        scope.vars.extend(of_groups);
        scope.vars.extend(scope.given.vars.clone());
        scope.named = self.resources.secret_places.keys().cloned().collect();
        sealed::open(&self.resources, &mut scope, &mut self.faults);
        if self.skims {
            self.scope = scope;
            return;
        }
        let raws = in_order(&tree, &documents, &named);
        let looked_at = self.faults.len();
        let renderer = Renderer::of(&scope);
        let mut frames = self.frames(&tree, &roles, &renderer);
        let naming = scope.facts.is_some();
        let naming = naming.then(|| self.naming(&raws, &frames, &renderer));
        drop(renderer);
        // The blocks that rename the host see the name that it has, and all others the new one.
        let naming = naming.flatten().map(|(naming, _)| naming);
        let renamed = naming.and_then(|naming| Some((scope.rename(&naming)?, naming)));
        let renderer = Renderer::of(&scope);
        let before = renamed.map(|(name, naming)| {
            self.faults.truncate(looked_at);
            let renamed = self.frames(&tree, &roles, &renderer);
            let next = self.naming(&raws, &renamed, &renderer);
            self.compare(&naming, next);
            let frames = std::mem::replace(&mut frames, renamed);
            (frames, Renderer::before(&scope, &name))
        });
        if let Some((_, one_more)) = raws.get(limits::BLOCKS) {
            let what = format!("a run has at most {} blocks", limits::BLOCKS);
            self.faults.push(Fault::error(what, one_more.place.clone()));
        } else {
            let blocks = raws.into_iter().filter_map(|(number, raw)| {
                let (frames, renderer) = match &before {
                    Some((frames, renderer)) if raw.kind == "hostname" => (frames, renderer),
                    _ => (&frames, &renderer),
                };
                Some((frames[number].as_ref()?, raw, renderer))
            });
            self.blocks(blocks);
        }
        drop(before);
        drop(renderer);
        self.scope = scope;
        if frames.iter().all(Option::is_some) {
            self.resolve_notices();
            self.resolve_chosen();
        }
    }

    /// Tells of tags that were chosen and that nothing has: a run would do less than was meant.
    fn resolve_chosen(&mut self) {
        self.written_tags
            .extend(self.tags.values().flatten().cloned());
        if self.written_tags.iter().any(|tag| is_template(tag)) {
            return; // it may be any of them
        }
        for tag in self.chosen.difference(&self.written_tags) {
            let fault = Fault::anywhere(format!("no block has the tag `{tag}`"));
            let known = || self.written_tags.iter().map(String::as_str);
            let hint = match nearest(tag, known()) {
                Some(near) => format!("did you mean `--tags {near}`?"),
                None if self.written_tags.is_empty() => {
                    "blocks have tags by `tags = [...]`".to_owned()
                }
                None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
            };
            self.faults.push(fault.hint(hint));
        }
    }

    fn blocks<'a>(
        &mut self,
        blocks: impl Iterator<Item = (&'a Frame, RawBlock<'a>, &'a Renderer<'a>)>,
    ) {
        let (mut errors, mut looked_at) = (0, 0);
        for (frame, raw, renderer) in blocks {
            self.block(raw, frame, renderer);
            let new = &self.faults[looked_at..];
            errors += new.iter().filter(|fault| fault.is_error()).count();
            looked_at = self.faults.len();
            if errors >= limits::FAULTS {
                break;
            }
        }
    }

    /// The values that the files set for this target, the weakest first.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let groups = &self.scope.given.groups;
        let is_own = |setting: &&Setting| match &setting.level {
            Level::Group(name) => groups.contains_key(name),
            _ => true,
        };
        let all = self.vars.iter().chain(&self.group_vars);
        all.filter(is_own).cloned().collect()
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
                let begins = |id: &str| self.open.iter().any(|open| id.starts_with(open.as_str()));
                if begins(&name) || begins(&format!("handler:{name}")) {
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
                None => self.faults.push(
                    Fault::error("`vars` is a table", place)
                        .hint("write [vars], and NAME = VALUE below"),
                ),
            },
            "group_vars" => {
                let read = vars::group_vars(&value, file, &mut self.faults);
                self.group_vars.extend(read);
            }
            "secret" if value.get_ref().is_integer() => {
                // The original parsed this number and never looked at it.
                let what = "a number as `secret` has no effect; leave it out";
                self.faults.push(Fault::warning(what, place));
            }
            "bucket" | "repo" | "source" | "secret" => {
                let dir = &self.dirs[file];
                let read = self
                    .resources
                    .read(name, value, (file, dir), &mut self.faults);
                blocks.extend(read);
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
            "hpt" => self.judge_version(&value, place),
            "name" if value.get_ref().is_str() => {
                match ConfigName::parse(value.get_ref().as_str().unwrap_or_default()) {
                    Ok(name) if file == 0 => self.name = Some(name),
                    Ok(_) => {} // the first file names the whole
                    Err(bad) => self.faults.push(Fault::error(bad.to_string(), place)),
                }
            }
            _ if value.get_ref().is_str() => {}
            _ => {
                let what = format!("`{name}` is a string");
                self.faults.push(Fault::error(what, place));
            }
        }
    }
}

/// The blocks of all files in the order of their execution, each with the number of its instance; one
/// more than a run may have, if there are more.
fn in_order<'a>(
    tree: &Tree<'_>,
    documents: &[Document<'a>],
    named: &BTreeMap<usize, Vec<RawBlock<'a>>>,
) -> Vec<(usize, RawBlock<'a>)> {
    let mut raws = Vec::new();
    for number in &tree.order {
        let file = tree.instances[*number].file;
        if raws.len() > limits::BLOCKS {
            break;
        }
        let of_file = [
            &documents[file].blocks[..],
            named.get(&file).map_or(&[][..], |b| b),
        ];
        let mut of_file: Vec<_> = of_file.concat();
        of_file.sort_by_key(|block: &RawBlock<'_>| block.place.order());
        raws.extend(of_file.into_iter().map(|block| (*number, block)));
    }
    // Handlers run when all else is done, wherever they stand; a check at the end is about that too.
    let is_last = |(_, block): &(usize, RawBlock<'_>)| ["handler", "check"].contains(&block.kind);
    let last = raws.iter().rev().take_while(|raw| is_last(raw)).count();
    let last = raws.split_off(raws.len() - last);
    let (checks, handlers): (Vec<_>, Vec<_>) = last
        .into_iter()
        .partition(|(_, block)| block.kind == "check");
    raws.sort_by_key(|(_, block)| block.kind == "handler");
    raws.into_iter().chain(handlers).chain(checks).collect()
}
