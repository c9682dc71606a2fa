//! A TOML text as blocks in the order in which they stand, across kinds, and the named tables
//! beside them. serde alone would lose that order, so that spans are read and sorted.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::block::KINDS;
use crate::config::{limits, nearest, words};
use crate::fault::{Fault, Place};

/// A parsed text, not yet judged.
pub(super) struct Document<'a> {
    /// In document order.
    pub(super) blocks: Vec<RawBlock<'a>>,
    /// `[vars]`, `[settings]`, `[bucket.NAME]` and the like, by name.
    pub(super) tables: Vec<(&'static str, Spanned<DeValue<'a>>)>,
}

impl<'a> Document<'a> {
    /// Whether nothing could be read, or nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.tables.is_empty()
    }

    /// Takes a top-level entry out.
    pub(super) fn take(&mut self, name: &str) -> Option<Spanned<DeValue<'a>>> {
        let at = self.tables.iter().position(|(table, _)| *table == name)?;
        Some(self.tables.remove(at).1)
    }
}

/// One block before its fields are judged.
#[derive(Clone)]
pub(super) struct RawBlock<'a> {
    /// One of [`KINDS`].
    pub(super) kind: &'static str,
    /// Its header.
    pub(super) place: Place,
    /// All its fields, common ones too.
    pub(super) fields: DeTable<'a>,
}

/// The top-level entries that are not lists of blocks.
const TABLES: [&str; 12] = [
    "name",
    "hpt",
    "include",
    "params",
    "vars",
    "group_vars",
    "settings",
    "secret",
    "bucket",
    "repo",
    "source",
    "tags",
];

/// Reads one file's text; faults are added to `faults`, and what could be read is returned.
pub(super) fn read<'a>(text: &'a str, file: usize, faults: &mut Vec<Fault>) -> Document<'a> {
    let mut document = Document {
        blocks: Vec::new(),
        tables: Vec::new(),
    };
    if text.len() > limits::FILE {
        let place = Place { file, span: 0..0 };
        faults.push(Fault::error("a config file is at most 1 MiB long", place));
        return document;
    }
    let root = match parse(text, file) {
        Ok(root) => root,
        Err(wrong) => {
            faults.extend(wrong);
            return document;
        }
    };
    if let Some(fault) = limits::check(root.get_ref(), file) {
        faults.push(fault);
        return document;
    }
    for (key, value) in root.into_inner() {
        let place = Place {
            file,
            span: key.span(),
        };
        let name: &str = key.get_ref();
        if let Some(table) = TABLES.iter().find(|t| **t == name) {
            document.tables.push((table, value));
        } else if name == "packages" {
            document.blocks.push(shorthand(value, place));
        } else if let Some(kind) = KINDS.iter().find(|k| **k == name) {
            list(kind, value, &place, &mut document.blocks, faults);
        } else if faults.len() < limits::FAULTS {
            faults.push(unknown(name, place));
        }
    }
    document.blocks.sort_by_key(|block| block.place.span.start);
    document
}

/// A text as TOML; else all that is none in it.
pub(super) fn parse(text: &str, file: usize) -> Result<Spanned<DeTable<'_>>, Vec<Fault>> {
    DeTable::parse(text).map_err(|first| {
        let mut all = match text.len() {
            ..=limits::ALL_SYNTAX => DeTable::parse_recoverable(text).1,
            _ => vec![first],
        };
        all.sort_by_key(|error| error.span().map(|span| span.start));
        let mut told: Vec<Fault> = Vec::new();
        let mut last = 0;
        for error in all.iter().take(limits::FAULTS) {
            let fault = words::not_toml(error, text, file);
            let line = fault.place.as_ref().map_or(0, |at| at.line_column(text).0);
            // One mistake confuses the parser for the rest of its line, or list.
            if line != last {
                told.push(fault);
            }
            if words::confuses(error) {
                break;
            }
            last = line;
        }
        told
    })
}

/// `packages = [...]` is a block of its own.
fn shorthand(value: Spanned<DeValue<'_>>, place: Place) -> RawBlock<'_> {
    let mut fields = DeTable::new();
    fields.insert(
        Spanned::new(place.span.clone(), Cow::Borrowed("names")),
        value,
    );
    RawBlock {
        kind: "packages",
        place,
        fields,
    }
}

/// The elements of one `[[kind]]`.
fn list<'a>(
    kind: &'static str,
    value: Spanned<DeValue<'a>>,
    place: &Place,
    blocks: &mut Vec<RawBlock<'a>>,
    faults: &mut Vec<Fault>,
) {
    let wrong = |span| {
        Fault::error(
            format!("`{kind}` is a list of blocks"),
            Place {
                file: place.file,
                span,
            },
        )
        .label(format!("write [[{kind}]]"))
    };
    let span = value.span();
    let DeValue::Array(elements) = value.into_inner() else {
        faults.push(wrong(span));
        return;
    };
    for element in elements {
        let span = element.span();
        match element.into_inner() {
            DeValue::Table(fields) => {
                let place = Place {
                    file: place.file,
                    span,
                };
                blocks.push(RawBlock {
                    kind,
                    place,
                    fields,
                });
            }
            _ => faults.push(wrong(span)),
        }
    }
}

fn unknown(name: &str, place: Place) -> Fault {
    let words = KINDS.iter().chain(&TABLES).copied();
    let later = LATER.contains(&name);
    let fault = if later {
        Fault::error(
            format!("`{name}` blocks come with a later version of hpt"),
            place,
        )
    } else {
        Fault::error(format!("there is no block or table named `{name}`"), place)
    };
    match nearest(name, words) {
        Some(near) if !later => fault.label(format!("did you mean `{near}`?")),
        _ if later => fault.hint(format!("leave `{name}` out until then")),
        _ => fault.hint("`hpt explain` lists the blocks and tables"),
    }
}

/// Blocks of the language that this version has not got yet.
const LATER: &[&str] = &[
    "container",
    "capability",
    "need",
    "provide",
    "target",
    "policy",
    "once",
];
