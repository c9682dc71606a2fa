//! `[[edit]]`: keys in a structured file.

mod env;
mod ini;
mod json;
mod toml;

use ::toml::{Table, Value};
use serde::Deserialize;

use crate::block::one_line::shortened;
use crate::block::text_file::{self, Missing};
use crate::block::{Decision, Holding, Kind};
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName};
use crate::view::View;

/// Keys in a structured file, set or taken out. All else in the file stays: comments and order in
/// toml, ini and env files, the order of keys in json files.
///
/// ```toml
/// [[edit]]
/// path = "/etc/mysql/my.cnf"
/// format = "ini"
/// set = { mysqld = { max_connections = 200 } }
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, absolute, such as `"/etc/mysql/my.cnf"`. `set` makes it if it is not there, in a
    /// directory that is, for root and with mode 0644, or 0600 if a secret is in it; `unset` alone
    /// never makes it.
    path: AbsPath,
    /// How it is written: "ini" (sections of `key = value`), "toml", "json" or "env" (lines of
    /// `KEY=value`, as `/etc/default` and unit files have them).
    format: Format,
    /// The keys that must have these values, in tables as deep as the file has them, such as
    /// `{ mysqld = { max_connections = 200 } }`. A table joins what is there; every other value
    /// takes the place of the old one. An ini file has sections and keys, an env file keys alone,
    /// and both take strings, numbers, true and false. A key that an ini or env file has several
    /// times is there once afterwards.
    #[serde(default)]
    set: Table,
    /// The keys that must not be there, with dots between the names of tables, such as
    /// `["mysqld.old_passwords", 'logs."a.b"']`. A section or table goes with all that it holds.
    #[serde(default)]
    unset: Vec<KeyPath>,
    /// Whether nothing of it may be shown: not a field, but what the config found out about it.
    #[serde(skip)]
    private: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Format {
    Ini,
    Toml,
    Json,
    /// Comes with a later version.
    Yaml,
    Env,
}

/// The names on the way to a key, at least one.
struct KeyPath(Vec<String>);

impl<'de> Deserialize<'de> for KeyPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const RULE: BadName = BadName(
            "a key is named as in TOML: `table.key`, with a name in quotes if it is more than letters, digits, `_` and `-`",
        );
        crate::name::deserialize(d, |text| {
            let Ok(keys) = toml_edit::Key::parse(text) else {
                return Err(RULE);
            };
            let names = keys.iter().map(|key| key.get().to_owned()).collect();
            Ok(Self(names))
        })
    }
}

impl KeyPath {
    fn words(&self) -> String {
        self.0.join(".")
    }
}

/// A value to set, and the names on the way to it.
struct Leaf<'a> {
    keys: Vec<&'a str>,
    value: &'a Value,
}

impl Leaf<'_> {
    fn words(&self) -> String {
        self.keys.join(".")
    }
}

/// The values of a table and of those within; a table that is empty is a value too.
fn leaves(table: &Table) -> Vec<Leaf<'_>> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                all.extend(leaves(inner).into_iter().map(|leaf| Leaf {
                    keys: std::iter::once(key.as_str()).chain(leaf.keys).collect(),
                    value: leaf.value,
                }));
            }
            _ => all.push(Leaf {
                keys: vec![key],
                value,
            }),
        }
    }
    all
}

/// What is wrong with a value or a key for the formats that know texts alone.
fn plain_fault(leaf: &Leaf<'_>) -> Option<String> {
    let words = leaf.words();
    match leaf.value {
        Value::Array(_) | Value::Table(_) => Some(format!(
            "`{words}` is a list or a table, and this format has texts alone"
        )),
        Value::String(text) if text.chars().any(|c| c.is_control() && c != '\t') => Some(format!(
            "the value of `{words}` holds a line break or a control character"
        )),
        _ => None,
    }
}

/// A value as a text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Kind for Edit {
    const NAME: &'static str = "edit";

    fn primary(&self) -> String {
        self.path.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.format == Format::Yaml {
            let what = "`yaml` comes with a later version of hpt: nothing that edits it keeps its comments yet";
            complain("format", what.to_owned());
        }
        if self.set.is_empty() && self.unset.is_empty() {
            complain("", "[[edit]] needs `set` or `unset`".to_owned());
        }
        let leaves = leaves(&self.set);
        for leaf in &leaves {
            let fault = match self.format {
                Format::Ini => ini::fault(leaf),
                Format::Env => env::fault(leaf),
                Format::Json => json::fault(leaf),
                Format::Toml | Format::Yaml => None,
            };
            if let Some(what) = fault {
                complain("set", what);
            }
        }
        for path in &self.unset {
            let deepest = match self.format {
                Format::Ini => 2,
                Format::Env => 1,
                _ => usize::MAX,
            };
            if path.0.len() > deepest {
                let what = format!("`{}` is deeper than this format goes", path.words());
                complain("unset", what);
            }
            let both = |leaf: &&Leaf<'_>| leaf.keys.iter().zip(&path.0).all(|(a, b)| a == b);
            if let Some(leaf) = leaves.iter().find(both) {
                let what = format!(
                    "`{}` is set, and `{}` is not to be there",
                    leaf.words(),
                    path.words()
                );
                complain("unset", what);
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        text_file::reads(&self.path)
    }

    fn holdings(&self) -> Vec<Holding> {
        let leaves = leaves(&self.set);
        let words: Vec<String> = leaves.iter().map(Leaf::words).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let holding = Holding::of([Key::Path(self.path.clone())]);
        vec![holding.part(format!("set {}", words.join(" ")))] // what it replaced is not known
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let missing = if self.set.is_empty() {
            Missing::InPlace
        } else {
            Missing::Create
        };
        let edit = text_file::Edit {
            path: &self.path,
            missing,
            summary: self.summary(),
            secret: self.private,
        };
        text_file::edit(edit, view, |old| self.edited(old))
    }
}

impl Edit {
    /// A secret is in it.
    pub(crate) fn keep_private(&mut self) {
        self.private = true;
    }

    fn summary(&self) -> String {
        let set: Vec<String> = leaves(&self.set).iter().map(Leaf::words).collect();
        let unset: Vec<String> = self.unset.iter().map(KeyPath::words).collect();
        let parts = [("sets", set), ("takes out", unset)];
        let said = parts.iter().filter(|(_, keys)| !keys.is_empty());
        let words: Vec<String> = said
            .map(|(what, keys)| format!("{what} {}", shortened(&keys.join(", "))))
            .collect();
        words.join("; ")
    }

    fn edited(&self, old: &str) -> Result<String, String> {
        let (set, unset) = (leaves(&self.set), &self.unset);
        match self.format {
            Format::Ini => Ok(ini::edited(old, &set, unset)),
            Format::Env => Ok(env::edited(old, &set, unset)),
            Format::Json => json::edited(old, &set, unset),
            Format::Toml => toml::edited(old, &set, unset),
            Format::Yaml => unreachable!("refused by check"),
        }
    }
}

#[cfg(test)]
mod tests;
