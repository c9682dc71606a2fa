//! The whole language: its kinds, its tables and its old spellings, from the source.

use hpt_provisioner::block::KINDS;

use crate::grammar;
use crate::source::{Sources, Table};

pub(crate) struct Language {
    /// In the order of the engine's list.
    pub(crate) kinds: Vec<Table>,
    /// `[settings]`, and those with names.
    pub(crate) tables: Vec<Table>,
    /// The fields of every block.
    pub(crate) common: Table,
    /// Kind, old name, name of today.
    spellings: Vec<Vec<String>>,
    /// The old names that are as good as those of today.
    aliases: Vec<Vec<String>>,
}

/// A field that has another name now.
pub(crate) struct Old {
    pub(crate) name: String,
    /// Today's, if it is a field as it was.
    pub(crate) field: String,
    /// How it is written today.
    pub(crate) now: String,
    /// Whether it is as good as the other name.
    pub(crate) is_good: bool,
}

/// The tables: their names, and the structs that read them.
const TABLES: [[&str; 3]; 5] = [
    ["settings", "settings", "Settings"],
    ["secret", "resource", "SecretSource"],
    ["bucket", "resource", "Bucket"],
    ["repo", "resource", "Repo"],
    ["source", "resource", "Base"],
];

impl Language {
    pub(crate) fn read() -> Self {
        let sources = Sources::read();
        let tables = TABLES.map(|[name, module, of]| Table {
            name: name.to_owned(),
            ..sources.named(module, of)
        });
        Self {
            kinds: KINDS.iter().map(|name| sources.kind(name)).collect(),
            tables: tables.into(),
            common: sources.named("common", "Common"),
            spellings: sources.constant("spelling", "KEYS"),
            aliases: sources.constant("spelling", "ALIASES"),
        }
    }

    /// The fields of every block, by name.
    pub(crate) fn common_names(&self) -> Vec<String> {
        let before = grammar::BLOCK.iter().map(|[name, ..]| (*name).to_owned());
        let rest = self.common.fields.iter().map(|field| field.name.clone());
        before.chain(rest).collect()
    }

    /// The old spellings of a kind or table.
    pub(crate) fn old(&self, name: &str) -> Vec<Old> {
        let old = |name: &str, field: &str, now: &str| Old {
            name: name.to_owned(),
            field: field.to_owned(),
            now: now.to_owned(),
            is_good: self.aliases.iter().flatten().any(|alias| alias == name),
        };
        let renamed = self.spellings.iter().filter(|words| words[0] == name);
        let mut all: Vec<Old> = renamed
            .map(|words| old(&words[1], &words[2], &format!("`{}`", words[2])))
            .collect();
        match name {
            "user" => all.push(old("sudoers", "", "`sudo = \"nopasswd\"`")),
            "repo" => {
                all.extend(["dest", "user", "key", "password"].map(|field| Old {
                    is_good: true,
                    ..old(field, "", &format!("`{field}` of a [[clone]]"))
                }));
            }
            _ => {}
        }
        all
    }
}
