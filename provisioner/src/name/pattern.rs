//! Regular expressions of a config.

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

/// What a compiled expression may take, in bytes.
const LARGEST: usize = 1 << 20;

/// A regular expression that is searched for in one line at a time. The syntax is that of the crate
/// `regex-lite`: no look-around, no back-references, and `\w`, `\d` and `\s` are of ASCII.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a regular expression is not empty".to_owned());
        }
        if text.contains(['\n', '\0']) {
            return Err(
                "a regular expression is searched for in one line, and holds no line break"
                    .to_owned(),
            );
        }
        let built = RegexBuilder::new(text).size_limit(LARGEST).build();
        built
            .map(Self)
            .map_err(|why| format!("this is no regular expression: {why}"))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is found in a line.
    pub fn finds(&self, line: &str) -> bool {
        self.0.is_match(line)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::deserialize(d, Self::parse)
    }
}
