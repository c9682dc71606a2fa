//! How much a config may be (I1). The same limits hold on the workstation and on the target (I4).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::File;
use crate::fault::{Fault, Place};

/// The longest file, in bytes.
pub const FILE: usize = 1 << 20;
/// The most files of a config that includes others.
pub const FILES: usize = 256;
/// The longest that all those files are together, in bytes: they travel in one message.
pub const ALL_FILES: usize = 3 << 19;
/// The longest path of an include, in bytes.
pub const PATH: usize = 1024;
/// The deepest that files include each other.
pub const INCLUDES: usize = 16;
/// The most files and roles that are included, each counted as often as it is.
pub const INSTANCES: usize = 1000;
/// The most blocks in a run.
pub const BLOCKS: usize = 10_000;
/// The deepest nesting of tables and arrays.
pub const DEPTH: usize = 32;
/// The longest key, in bytes.
pub const KEY: usize = 128;
/// The longest string, in bytes.
pub const STRING: usize = 256 * 1024;

/// The most errors that are told; who has that many begins at the first.
pub const FAULTS: usize = 100;
/// The longest file of which all that is no TOML is told, and not the first alone, in bytes: the
/// parser keeps each error, and there may be one for each byte.
pub const ALL_SYNTAX: usize = 64 * 1024;
/// The most unknown and wrong fields that are told of one block.
pub const WRONG_FIELDS: usize = 10;
/// The most that templates may render to, all of a config together, in bytes.
pub const RENDERED: usize = 16 << 20;

/// What is too much about a config's files, of which some are included.
pub(super) fn files(files: &[File]) -> Option<String> {
    let size: usize = files.iter().map(|file| file.text.len()).sum();
    if files.len() > FILES {
        Some(format!(
            "a config that includes others has at most {FILES} files"
        ))
    } else if size > ALL_FILES {
        let most = ALL_FILES / 1024;
        Some(format!(
            "files that include each other have at most {most} KiB together"
        ))
    } else {
        None
    }
}

/// Finds the first place in a table that is more than it may be.
pub(crate) fn check(table: &DeTable<'_>, file: usize) -> Option<Fault> {
    check_table(table, file, 1)
}

fn check_table(table: &DeTable<'_>, file: usize, depth: usize) -> Option<Fault> {
    table.iter().find_map(|(key, value)| {
        if key.get_ref().len() > KEY {
            let place = Place {
                file,
                span: key.span(),
            };
            return Some(Fault::error(
                format!("a key is at most {KEY} bytes long"),
                place,
            ));
        }
        check_value(value, file, depth)
    })
}

fn check_value(value: &Spanned<DeValue<'_>>, file: usize, depth: usize) -> Option<Fault> {
    let fault = |what: String| {
        Some(Fault::error(
            what,
            Place {
                file,
                span: value.span(),
            },
        ))
    };
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if depth > DEPTH => {
            fault(format!("tables and arrays are nested deeper than {DEPTH}"))
        }
        DeValue::Table(table) => check_table(table, file, depth + 1),
        DeValue::Array(array) => array.iter().find_map(|v| check_value(v, file, depth + 1)),
        DeValue::String(text) if text.len() > STRING => fault(format!(
            "a string is at most {} KiB long; use a `source`",
            STRING / 1024
        )),
        _ => None,
    }
}
