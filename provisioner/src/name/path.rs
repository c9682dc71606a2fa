//! Absolute paths.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BadName, deserialize, is_hidden};

/// An absolute path without `.`, `..`, empty components, NUL, control or hidden characters, at most 4,095
/// bytes (I2). `/` itself is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(PathBuf);

impl AbsPath {
    /// Checks `text`; one trailing slash is dropped.
    ///
    /// # Errors
    /// Says which rule the path breaks.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if !text.starts_with('/') {
            return Err(BadName("a path is absolute: it begins with `/`"));
        }
        if text.len() > 4095 {
            return Err(BadName("a path is at most 4,095 bytes"));
        }
        if text.chars().any(is_hidden) {
            return Err(BadName("a path holds no control or hidden characters"));
        }
        let trimmed = text
            .strip_suffix('/')
            .filter(|t| !t.is_empty())
            .unwrap_or(text);
        if text != "/"
            && trimmed[1..]
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(BadName("a path has no empty, `.` or `..` parts"));
        }
        Ok(Self(PathBuf::from(trimmed)))
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The directory it lies in; `None` for `/`.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|p| Self(p.to_owned()))
    }

    /// Where a link at this path leads that says `to`; `None` if that is no plain path.
    pub(crate) fn beside(&self, to: &str) -> Option<Self> {
        if to.starts_with('/') {
            return Self::parse(to).ok();
        }
        let dir = self.0.parent()?.to_str().expect("made from a str");
        Self::parse(&format!("{}/{to}", dir.trim_end_matches('/'))).ok()
    }

    /// Its last part; `None` for `/`.
    pub fn name(&self) -> Option<&str> {
        self.0.file_name().and_then(|name| name.to_str())
    }

    /// This path with one more part.
    ///
    /// # Errors
    /// If `part` is not one plain part of a path.
    pub fn join(&self, part: &str) -> Result<Self, BadName> {
        if part.contains('/') {
            return Err(BadName("one part of a path holds no `/`"));
        }
        let base = self.0.to_str().expect("made from a str");
        Self::parse(&format!("{}/{part}", base.trim_end_matches('/')))
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Serialize for AbsPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AbsPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_plain() {
        for bad in [
            "", "etc", "//", "/a//", "/a/../b", "/a//b", "/./a", "/a\0", "/a\nb",
        ] {
            assert!(AbsPath::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            AbsPath::parse("/opt/app/").map(|p| p.to_string()),
            Ok("/opt/app".into())
        );
        assert_eq!(AbsPath::parse("/").map(|p| p.to_string()), Ok("/".into()));
    }
}
