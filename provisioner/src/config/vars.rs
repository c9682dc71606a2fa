//! Who sets a value: the levels of `vars`, from the weakest to the strongest.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::Given;
use crate::fault::{Fault, Place};

/// How the name of a value begins in `{{ }}`.
const NAMESPACES: [&str; 7] = [
    "vars.", "facts.", "secret.", "target.", "each.", "params.", "result.",
];

/// Where a value can be set. Each level wins over those before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `[vars]` of the config.
    Config,
    /// What a group of the target has, by the group's name.
    Group(String),
    /// What the target itself has.
    Target,
    /// A `--var-file`.
    File,
    /// `--var`.
    Line,
}

/// One value that somebody sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The name after `vars.`.
    pub name: String,
    /// What it is set to.
    pub value: toml::Value,
    /// Who sets it.
    pub level: Level,
    /// Where, in the files that it was read with; `None` on the command line.
    pub place: Option<Place>,
}

impl Setting {
    /// The values of a table, in the order in which they stand; `file` is where it was read.
    pub fn all(table: &DeTable<'_>, level: &Level, file: usize) -> Vec<Self> {
        let entries = table.iter().filter_map(|(key, value)| {
            let read = ValueDeserializer::from(value.clone());
            let place = Place {
                file,
                span: key.span(),
            };
            Some(Self {
                name: key.get_ref().to_string(),
                value: toml::Value::deserialize(read).ok()?,
                level: level.clone(),
                place: Some(place),
            })
        });
        let mut all: Vec<_> = entries.collect();
        all.sort_by_key(|setting| setting.place.as_ref().map(Place::order));
        all
    }

    /// Whether a text in it asks for another value as a text of a block would. Nobody renders it.
    pub(super) fn asks_for_another(&self) -> bool {
        asks_for_another(&self.value)
    }

    /// The values of a `--var-file`; `file` is its index among the files that were read.
    ///
    /// # Errors
    /// What is no TOML.
    pub fn of_file(text: &str, file: usize) -> Result<Vec<Self>, toml::de::Error> {
        let table = DeTable::parse(text)?;
        Ok(Self::all(table.get_ref(), &Level::File, file))
    }
}

/// Reads `[group_vars.NAME]` tables.
pub(super) fn group_vars(
    value: &Spanned<DeValue<'_>>,
    file: usize,
    faults: &mut Vec<Fault>,
) -> Vec<Setting> {
    let place = |span| Place { file, span };
    let Some(groups) = value.get_ref().as_table() else {
        let what = "`group_vars` holds a table for each group: write [group_vars.NAME]";
        faults.push(Fault::error(what, place(value.span())));
        return Vec::new();
    };
    let mut all = Vec::new();
    for (name, vars) in groups {
        if !is_group(name.get_ref()) {
            faults.push(Fault::error(GROUP, place(name.span())));
        } else if let Some(vars) = vars.get_ref().as_table() {
            let level = Level::Group(name.get_ref().to_string());
            all.extend(Setting::all(vars, &level, file));
        } else {
            let what = format!(
                "the values of a group are a table: write [group_vars.{}]",
                name.get_ref()
            );
            faults.push(Fault::error(what, place(vars.span())));
        }
    }
    all
}

/// What a group of targets, a target or one of its tags may be called.
pub(crate) const GROUP: &str = "a target, group or tag is called 1 to 63 of A-Z, a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit";

/// Whether it may be called so.
pub(crate) fn is_group(name: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(good)
}

/// What the groups of a target set together, besides what the config's `[group_vars]` are; a fault
/// where two differ about a value and nothing stronger decides.
pub(super) fn of_groups(
    settings: &[Setting],
    given: &Given,
    faults: &mut Vec<Fault>,
) -> toml::Table {
    let mut merged: BTreeMap<String, (&str, toml::Value)> = BTreeMap::new();
    for (group, known) in &given.groups {
        let level = Level::Group(group.clone());
        let own = settings.iter().filter(|setting| setting.level == level);
        let own = own.map(|setting| (setting.name.clone(), setting.value.clone()));
        let mut vars: toml::Table = own.collect();
        vars.extend(known.clone());
        for (name, value) in vars {
            match merged.get(&name) {
                Some((other, first)) if *first != value && !given.vars.contains_key(&name) => {
                    faults.push(differ(&name, other, group, settings));
                }
                _ => drop(merged.insert(name, (group, value))),
            }
        }
    }
    let table = merged.into_iter();
    table.map(|(name, (_, value))| (name, value)).collect()
}

fn differ(name: &str, one: &str, other: &str, settings: &[Setting]) -> Fault {
    let what = format!("the groups `{one}` and `{other}` set `{name}` differently");
    let is_it = |setting: &&Setting, group: &str| {
        setting.name == name && setting.level == Level::Group(group.to_owned())
    };
    let place = |group: &str| {
        let found = settings.iter().rfind(|setting| is_it(setting, group));
        found.and_then(|setting| setting.place.clone())
    };
    let mut places = [one, other]
        .into_iter()
        .filter_map(|group| Some((place(group)?, group)));
    let fault = match (places.next(), places.next()) {
        (Some((first, group)), Some((second, _))) => {
            Fault::error(what, second).other(first, format!("by `{group}`"))
        }
        (Some((place, _)), None) => Fault::error(what, place),
        _ => Fault::anywhere(what),
    };
    fault.hint(format!(
        "let the target decide, in targets.toml: [target.NAME] vars = {{ {name} = ... }}"
    ))
}

fn asks_for_another(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => text.split("{{").skip(1).any(|inner| {
            let inner = inner.trim_start_matches(['-', '+', ' ']);
            NAMESPACES.iter().any(|name| inner.starts_with(name))
        }),
        toml::Value::Array(list) => list.iter().any(asks_for_another),
        toml::Value::Table(table) => table.values().any(asks_for_another),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places_and_order() {
        let text = "b = 1\na = [\"x\"]\n";
        let all = Setting::of_file(text, 3).unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|s| (s.name.as_str(), s.place.clone().unwrap().order()))
            .collect();
        assert_eq!(told, [("b", (3, 0, 1)), ("a", (3, 6, 7))]);
        assert!(Setting::of_file("a = ", 0).is_err());
    }

    #[test]
    fn levels_are_in_their_order() {
        let group = || Level::Group("web".to_owned());
        let all = [
            Level::Config,
            group(),
            Level::Target,
            Level::File,
            Level::Line,
        ];
        assert!(all.is_sorted());
    }
}
