//! A tree of files as a list of names and hashes. Whoever starts a run makes it of a directory, and
//! sends it as a text of its own; what it names is sent as is any other source.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::host::Hash;
use crate::name::{AbsPath, BadName};
use crate::source::Blob;

/// The first line of the text.
const HEAD: &str = "hpt tree 1";

/// A path below a directory: parts that are neither empty nor `.` nor `..`, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Below(String);

impl Below {
    /// Checks a path whose parts `/` separates.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        AbsPath::parse(&format!("/{text}"))?;
        if text.is_empty() || text.ends_with('/') {
            return Err(BadName("a path has no empty, `.` or `..` parts"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it is below `dir`.
    ///
    /// # Errors
    /// If that is too long for a path.
    pub fn within(&self, dir: &AbsPath) -> Result<AbsPath, BadName> {
        let dir = dir.to_string();
        AbsPath::parse(&format!("{}/{}", dir.trim_end_matches('/'), self.0))
    }

    fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(above, _)| Self(above.to_owned()))
    }
}

/// What lies at a path of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// What it holds.
        content: Blob,
        /// Whether its owner may execute it.
        executable: bool,
    },
}

/// All that lies below a directory, directories before what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<Below, Listed>);

/// Why a text is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list of its files is not understood")]
pub struct BadListing {
    line: usize,
}

impl Listing {
    /// Adds what lies at a path, and the directories above it.
    pub fn add(&mut self, path: Below, listed: Listed) {
        let mut above = path.parent();
        while let Some(dir) = above {
            above = dir.parent();
            self.0.entry(dir).or_insert(Listed::Dir);
        }
        self.0.insert(path, listed);
    }

    /// All of it, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Below, &Listed)> {
        self.0.iter()
    }

    /// What is at a path.
    pub fn get(&self, path: &Below) -> Option<&Listed> {
        self.0.get(path)
    }

    /// The content of every file.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.0.values().filter_map(|listed| match listed {
            Listed::File { content, .. } => Some(content),
            Listed::Dir => None,
        })
    }

    /// The text that [`Listing::parse`] reads.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (Below(path), listed) in &self.0 {
            let written = match listed {
                Listed::Dir => writeln!(text, "d {path}"),
                Listed::File {
                    content,
                    executable,
                } => {
                    let sort = if *executable { 'x' } else { 'f' };
                    let Blob { hash, size } = content;
                    writeln!(text, "{sort} {hash} {size} {path}")
                }
            };
            written.expect("a string takes what is written");
        }
        text
    }

    /// Reads a list that another machine has made.
    ///
    /// # Errors
    /// The first line that is wrong, or names what an earlier one says otherwise.
    pub fn parse(text: &str) -> Result<Self, BadListing> {
        let mut listing = Self::default();
        let mut lines = text.lines().zip(1..);
        if lines.next().is_none_or(|(head, _)| head != HEAD) {
            return Err(BadListing { line: 1 });
        }
        for (text, line) in lines {
            let (path, listed) = entry(text).ok_or(BadListing { line })?;
            let in_dir = path
                .parent()
                .is_none_or(|above| listing.0.get(&above) == Some(&Listed::Dir));
            if !in_dir || listing.0.insert(path, listed).is_some() {
                return Err(BadListing { line });
            }
        }
        Ok(listing)
    }
}

fn entry(line: &str) -> Option<(Below, Listed)> {
    let (sort, rest) = line.split_once(' ')?;
    if sort == "d" {
        return Some((Below::parse(rest).ok()?, Listed::Dir));
    }
    let executable = match sort {
        "x" => true,
        "f" => false,
        _ => return None,
    };
    let (hash, rest) = rest.split_once(' ')?;
    let (size, path) = rest.split_once(' ')?;
    let content = Blob {
        hash: Hash::from_hex(hash).ok()?,
        size: size.parse().ok()?,
    };
    let listed = Listed::File {
        content,
        executable,
    };
    Some((Below::parse(path).ok()?, listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(text: &str) -> Below {
        Below::parse(text).unwrap()
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut listing = Listing::default();
        let file = |text: &[u8], executable| Listed::File {
            content: Blob {
                hash: blake3::hash(text),
                size: u64::try_from(text.len()).unwrap(),
            },
            executable,
        };
        listing.add(below("a b/ü/x 1"), file(b"x", true));
        listing.add(below("a b/y"), file(b"", false));
        listing.add(below("empty"), Listed::Dir);
        assert_eq!(listing.get(&below("a b/ü")), Some(&Listed::Dir));
        assert_eq!(Listing::parse(&listing.to_text()), Ok(listing.clone()));
        assert_eq!(listing.blobs().count(), 2);
        let dest = AbsPath::parse("/srv").unwrap();
        assert_eq!(below("a b/y").within(&dest), AbsPath::parse("/srv/a b/y"));
    }

    #[test]
    fn what_another_machine_lists_stays_below() {
        let hash = blake3::hash(b"").to_hex();
        let file = |path: &str| format!("f {hash} 0 {path}");
        for bad in [
            file("../x"),
            file("/x"),
            file("a/../x"),
            file("."),
            file(""),
            file("a//b"),
            file("a/"),
            file("not/listed"),
            file("a\u{1b}b"),
            format!("d a\n{}", file("a")),
            format!("{}\nd a", file("a")),
            format!("{}\n{}", file("a"), file("a/b")),
            format!("{0}\n{0}", file("a")),
            "d ..".to_owned(),
            "l a b".to_owned(),
            "f 00 0 a".to_owned(),
            format!("f {hash} -1 a"),
            format!("f {hash} a"),
            String::from(" "),
        ] {
            let text = format!("{HEAD}\n{bad}\n");
            assert!(Listing::parse(&text).is_err(), "{bad:?}");
        }
        assert!(Listing::parse("").is_err() && Listing::parse("hpt tree 2\n").is_err());
    }
}
