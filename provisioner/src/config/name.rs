//! What a config is called on its hosts: all that it owns there is kept under this name.

use std::fmt;

use crate::name::BadName;

/// The longest, in bytes.
const LONGEST: usize = 64;

/// A config's name: 1 to 64 letters, digits, spaces and `._-`, the first of them a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigName(String);

impl ConfigName {
    /// A name as it is written.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let is_first = |c: char| c.is_ascii_alphanumeric();
        if text.len() <= LONGEST && text.starts_with(is_first) && text.chars().all(is_good) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName(
            "a config's name is 1 to 64 letters, digits, spaces and `._-`, the first of them a letter or digit",
        ))
    }

    /// The name of a config that has none: that of its file without its ending, as far as it can be one.
    pub(super) fn of_file(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let plain = |c: char| if is_good(c) { c } else { '-' };
        let plain: String = stem.chars().map(plain).take(LONGEST).collect();
        let plain = plain.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        Self::parse(plain).unwrap_or_else(|_| Self("config".to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_good(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_config_a_name() {
        for (path, name) in [
            ("site.toml", "site"),
            ("/srv/conf/web 1.toml", "web 1"),
            ("./a.b.toml", "a.b"),
            ("-", "config"),
            ("../.hidden.toml", "hidden"),
            ("h\u{e4}user.toml", "h-user"),
            ("", "config"),
        ] {
            assert_eq!(ConfigName::of_file(path).as_str(), name, "{path}");
        }
        for bad in ["", ".x", "a/b", "a\n", " a", "x".repeat(65).as_str()] {
            assert!(ConfigName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
