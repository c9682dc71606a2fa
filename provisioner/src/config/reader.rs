//! Reads a config file by file: values and names first, then each block in its place.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::block::{Block, Body};
use crate::config::document::{self, RawBlock};
use crate::config::renderer::Renderer;
use crate::config::resource::Resources;
use crate::config::scope::Scope;
use crate::config::{File, common, fields, limits, spelling, values};
use crate::fault::{Fault, Place};

/// Collects blocks and faults from one file after another.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) scope: Scope,
    pub(super) blocks: Vec<Block>,
    pub(super) resources: Resources,
    pub(super) faults: Vec<Fault>,
    /// Where each id was first given, and whether that block can be named by `after`.
    ids: BTreeMap<String, Place>,
}

impl Reader {
    /// Reads the files with what is known besides them.
    pub(super) fn of(files: &[File], scope: Scope) -> Self {
        let mut reader = Self {
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
        blocks.sort_by_key(|block: &RawBlock<'_>| block.place.order());
        if blocks.len() > limits::BLOCKS {
            let place = blocks[limits::BLOCKS].place.clone();
            let what = format!("a run has at most {} blocks", limits::BLOCKS);
            self.faults.push(Fault::error(what, place));
            return;
        }
        let scope = std::mem::take(&mut self.scope);
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
            "vars" => match toml::Table::deserialize(ValueDeserializer::from(value)) {
                Ok(vars) => self.scope.vars.extend(vars),
                Err(_) => self
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
            "name" if value.get_ref().is_str() => {}
            "name" => self.faults.push(Fault::error("`name` is a string", place)),
            _ => {
                let what = format!("`{name}` comes with a later version of hpt");
                self.faults.push(Fault::error(what, place));
            }
        }
    }

    fn block(&mut self, raw: RawBlock<'_>, renderer: &Renderer<'_>) {
        let RawBlock {
            kind,
            place,
            mut fields,
        } = raw;
        let file = place.file;
        let common = common::take(kind, &mut fields, file, &mut self.faults);
        spelling::modernise(kind, &mut fields, file, &mut self.faults);
        let faults_before = self.faults.len();
        let (literals, findings) = values::render(&fields, renderer, file, &mut self.faults);
        if self.faults.len() > faults_before {
            return;
        }
        let fields = values::put(fields, &literals);
        let spans: BTreeMap<String, Place> = fields
            .iter()
            .map(|(k, v)| {
                (
                    k.get_ref().to_string(),
                    Place {
                        file,
                        span: v.span(),
                    },
                )
            })
            .collect();
        let sensitive = common.sensitive || findings.secret;
        let Some(mut body) =
            fields::read(kind, &place, fields, &findings, sensitive, &mut self.faults)
        else {
            return;
        };
        if sensitive && let Body::File(file) = &mut body {
            file.keep_private();
        }
        if let Body::Exec(exec) = &body
            && exec.is_unguarded()
        {
            let what = "this runs every time, and so is never in place";
            let hint =
                "guard it with `creates`, `removes`, `unless` or `only_if`, or say `always = true`";
            self.faults
                .push(Fault::warning(what, place.clone()).hint(hint));
        }
        // What is not known here still reads as its template; the target judges the whole block.
        if !findings.deferred {
            body.check(&mut |key, what| {
                let at = spans.get(key).unwrap_or(&place).clone();
                self.faults.push(Fault::error(what, at));
            });
        }
        let (id, id_place) = match common.id {
            Some(given) => given,
            None => (
                self.default_id(&body, &place, findings.secret),
                place.clone(),
            ),
        };
        if let Some(first) = self.ids.get(&id) {
            let fault = Fault::error(format!("two blocks have the id `{id}`"), id_place)
                .other(first.clone(), "the first")
                .hint("give one of them an `id` of its own");
            self.faults.push(fault);
            return;
        }
        for (earlier, place) in common.after {
            if !self.ids.contains_key(&earlier) {
                let what = format!("no block `{earlier}` stands before this one");
                let hint = "blocks run in the order in which they stand; `after` only asserts it";
                self.faults.push(Fault::error(what, place).hint(hint));
            }
        }
        self.ids.insert(id.clone(), id_place);
        self.blocks.push(Block {
            id,
            place,
            desc: common.desc,
            sensitive,
            body,
        });
    }

    /// `kind:primary`; for a block that a secret went into, and whose primary may show it, the place.
    fn default_id(&self, body: &Body, place: &Place, secret: bool) -> String {
        let kind = body.kind();
        if secret && matches!(body, Body::Exec(_)) {
            return format!("{kind}:{}-{}", place.file + 1, self.blocks.len() + 1);
        }
        format!("{kind}:{}", body.primary())
    }
}
