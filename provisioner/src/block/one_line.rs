//! A text that is one line of a file, and can become no second one.

use serde::Deserialize;

use crate::name::BadName;

/// The longest line, in bytes.
const LONGEST: usize = 8192;

/// One line: 1 to 8,192 bytes without line breaks and control characters; tabs are fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneLine(String);

impl OneLine {
    pub(super) fn parse(text: &str) -> Result<Self, BadName> {
        if text.trim().is_empty() {
            return Err(BadName("a line is not empty"));
        }
        if text.len() > LONGEST {
            return Err(BadName("a line is at most 8,192 bytes"));
        }
        // Unicode's own line breaks are not seen by every tool, and by some.
        let breaks = |c: char| (c.is_control() && c != '\t') || "\u{2028}\u{2029}".contains(c);
        if text.chars().any(breaks) {
            return Err(BadName(
                "a line holds no line breaks and no control characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for OneLine {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}

/// The beginning of a text, for an id or a plan's line.
pub(super) fn shortened(text: &str) -> String {
    const WIDTH: usize = 60;
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
