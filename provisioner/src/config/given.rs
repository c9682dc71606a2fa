//! What whoever starts a run says besides the config: values that win over its own, and tags.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::BadName;

/// Values and tags of the command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Each stands in the place of the whole value of that name in the config's `[vars]`.
    pub vars: toml::Table,
    /// The tags by which blocks are chosen; all of them if there is none.
    pub tags: BTreeSet<String>,
    /// The groups of the target, with the values that the inventory gives each.
    pub groups: BTreeMap<String, toml::Table>,
    /// The tags of the target.
    pub target_tags: BTreeSet<String>,
    /// How many of the config's files, the last ones, run only where another includes them.
    pub included: usize,
    /// Whether what left the config is removed, or let go.
    pub prune: bool,
}

impl Given {
    /// Adds values from a TOML text, as in a `--var-file`; they win over earlier ones.
    ///
    /// # Errors
    /// What is no TOML.
    pub fn add(&mut self, text: &str) -> Result<(), toml::de::Error> {
        self.vars.extend(text.parse::<toml::Table>()?);
        Ok(())
    }

    /// Adds one value from `NAME=VALUE`. What reads as a TOML value is one, and anything else a text.
    ///
    /// # Errors
    /// A name that no template could use.
    pub fn assign(&mut self, text: &str) -> Result<(), BadName> {
        let wrong = BadName("a value is NAME=VALUE, its name letters, digits and `_`");
        let (name, value) = text.split_once('=').ok_or(wrong.clone())?;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(good)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(wrong);
        }
        let read = format!("value = {value}").parse::<toml::Table>();
        let read = read.ok().filter(|table| table.len() == 1);
        let value = match read.and_then(|mut table| table.remove("value")) {
            Some(value) => value,
            None => toml::Value::String(value.to_owned()),
        };
        self.vars.insert(name.to_owned(), value);
        Ok(())
    }

    /// Adds a group of the target with the values that it has as a TOML text; false if it is there
    /// already.
    ///
    /// # Errors
    /// What is no TOML.
    pub fn join(&mut self, group: String, text: &str) -> Result<bool, toml::de::Error> {
        let vars = text.parse()?;
        Ok(self.groups.insert(group, vars).is_none())
    }

    /// The values as TOML.
    pub fn to_toml(&self) -> String {
        self.vars.to_string()
    }

    /// Takes values of the target itself, which are weaker than those that are there.
    pub(crate) fn weaker(&mut self, mut vars: toml::Table) {
        vars.extend(std::mem::take(&mut self.vars));
        self.vars = vars;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let mut given = Given::default();
        for text in [
            "a=1", "b=true", "c=x y", "d=[1, 2]", "e=\"1\"", "f=", "g=1\nh=2", "i=a=b",
        ] {
            given.assign(text).unwrap();
        }
        let text = given.to_toml();
        let mut again = Given::default();
        again.add(&text).unwrap();
        assert_eq!(again, given);
        assert_eq!(given.vars["a"].as_integer(), Some(1));
        assert_eq!(given.vars["b"].as_bool(), Some(true));
        assert_eq!(given.vars["c"].as_str(), Some("x y"));
        assert!(given.vars["d"].is_array());
        assert_eq!(given.vars["e"].as_str(), Some("1"));
        assert_eq!(given.vars["f"].as_str(), Some(""));
        assert_eq!(given.vars["g"].as_str(), Some("1\nh=2"));
        assert_eq!(given.vars["i"].as_str(), Some("a=b"));
        for wrong in ["", "a", "=1", "a b=1", "1a=1", "a.b=1", "é=1"] {
            assert!(given.assign(wrong).is_err(), "{wrong}");
        }
    }
}
