//! Who sets a value: the levels of `vars`, from the weakest to the strongest.

use serde::Deserialize as _;
use toml::de::{DeTable, ValueDeserializer};

use crate::fault::Place;

/// How the name of a value begins in `{{ }}`.
const NAMESPACES: [&str; 5] = ["vars.", "facts.", "secret.", "target.", "each."];

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
