//! Where a file's content comes from, as a config names it; and what it was resolved to.
//!
//! Whoever starts a run (the workstation, or a host provisioning itself) fetches every source and
//! names it by hash; the engine meets blobs only.

use std::fmt;

use serde::Deserialize;

use crate::host::Hash;
use crate::name::{BadName, is_hidden};

/// A source as a config spells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A file of the machine that starts the run: a path relative to the directory of the config's file
    /// that names it, or an absolute one.
    File(String),
    /// `https://...`; the block's `sha256` says what must come back.
    Https(String),
    /// `NAME://path` in `[bucket.NAME]`, `[repo.NAME]` or `[source.NAME]`.
    Bucket {
        /// Its name in the config.
        bucket: String,
        /// The object's key, or where the file lies there.
        path: String,
        /// What must come back, by the 64 hexadecimal digits after `#sha256=`.
        sha256: Option<String>,
    },
}

impl Source {
    /// Makes a path relative to where hpt was started, as the names of the config's files are, of one
    /// that a file in `dir` names.
    pub(crate) fn start_from(&mut self, dir: &str) {
        if let Self::File(path) = self {
            *path = within(dir, path);
        }
    }

    /// What its own spelling says that its SHA-256 must be.
    pub fn sha256(&self) -> Option<&str> {
        match self {
            Self::Bucket { sha256, .. } => sha256.as_deref(),
            _ => None,
        }
    }

    /// Reads a source's spelling.
    ///
    /// # Errors
    /// A scheme that is neither `https` nor a plain name, or control characters.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text.is_empty() || text.chars().any(is_hidden) {
            return Err(BadName(
                "a source is a path, an https URL or BUCKET://path, without control characters",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(
                text.strip_prefix("file:").unwrap_or(text).to_owned(),
            ));
        };
        match scheme {
            "https" if holds_password(text) => Err(BadName(
                "a URL holds no name and no password: everybody can see it",
            )),
            "https" => Ok(Self::Https(text.to_owned())),
            "http" | "ftp" => Err(BadName(
                "plain http can be altered on the way; use `https://` with a `sha256`",
            )),
            "file" => Ok(Self::File(rest.to_owned())),
            _ if is_bucket_name(scheme) && !rest.is_empty() => {
                let (path, sha256) = match rest.split_once("#sha256=") {
                    Some((path, digits)) => (path, Some(digits)),
                    None => (rest, None),
                };
                let is_hex = |text: &str| {
                    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
                };
                if sha256.is_some_and(|digits| !is_hex(digits)) {
                    return Err(BadName(
                        "after `#sha256=` there are 64 hexadecimal digits, as `sha256sum` prints them",
                    ));
                }
                Ok(Self::Bucket {
                    bucket: scheme.to_owned(),
                    path: path.trim_start_matches('/').to_owned(),
                    sha256: sha256.map(str::to_ascii_lowercase),
                })
            }
            _ => Err(BadName("a source is a path, an https URL or BUCKET://path")),
        }
    }
}

/// A path that a file in `dir` names, which is empty for the directory where hpt was started.
pub(crate) fn within(dir: &str, path: &str) -> String {
    match dir {
        "" => path.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        "/" => format!("/{path}"),
        _ => format!("{dir}/{path}"),
    }
}

/// Whether `text` can name a `[bucket.NAME]`.
pub fn is_bucket_name(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good)
}

/// Whether a URL has somebody's password in it: `https://token@host`, `ssh://ana:word@host`. A name
/// alone is none where ssh asks for one.
pub fn holds_password(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let login = authority.rsplit_once('@').map(|(login, _)| login);
    login.is_some_and(|login| login.contains(':') || scheme.eq_ignore_ascii_case("https"))
}

/// The same URL without the password that it holds.
pub fn without_password(url: &str) -> String {
    if !holds_password(url) {
        return url.to_owned();
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let login = authority.rfind('@').map_or(0, |at| at + 1);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}", &rest[login..])
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Https(url) => f.write_str(url),
            Self::Bucket {
                bucket,
                path,
                sha256: None,
            } => write!(f, "{bucket}://{path}"),
            Self::Bucket {
                bucket,
                path,
                sha256: Some(digits),
            } => write!(f, "{bucket}://{path}#sha256={digits}"),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}

/// A source that a block needs, and what is known of it beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Where it comes from.
    pub source: Source,
    /// What its SHA-256 must be, 64 hexadecimal digits, if the config says so.
    pub sha256: Option<String>,
    /// Whether its content is a secret.
    pub secret: bool,
    /// Whether planning reads it (a template, a key), so that it should be sent along.
    pub read: bool,
    /// Whether it is a directory: its blob is a [`Listing`](crate::listing::Listing) then.
    pub tree: bool,
}

/// What a source was resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// BLAKE3 of its content.
    pub hash: Hash,
    /// Its length in bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let bucket = Source::Bucket {
            bucket: "bkt".into(),
            path: "a/b".into(),
            sha256: None,
        };
        assert_eq!(Source::parse("bkt://a/b"), Ok(bucket));
        let pinned = format!("bkt://a/b#sha256={}", "ab".repeat(32));
        let source = Source::parse(&pinned).unwrap();
        assert_eq!(source.sha256(), Some(&*"ab".repeat(32)));
        assert_eq!(source.to_string(), pinned);
        assert_eq!(Source::parse("files/x"), Ok(Source::File("files/x".into())));
        assert_eq!(
            Source::parse("https://a/b"),
            Ok(Source::Https("https://a/b".into()))
        );
        for bad in [
            "https://ana:pw@a/b",
            "https://pw@a/b",
            "",
            "http://a/b",
            "a b://x",
            "bkt://",
            "bkt://a#sha256=ab",
            "x\ny",
        ] {
            assert!(Source::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_in_urls() {
        for (url, without) in [
            ("https://ana:pw@h/x", "https://h/x"),
            ("https://pw@h", "https://h"),
            ("ssh://ana:p@w@h:22/x@y", "ssh://h:22/x@y"),
            ("ana:pw@h", "h"),
        ] {
            assert!(holds_password(url), "{url}");
            assert_eq!(without_password(url), without);
        }
        for url in [
            "https://h/@",
            "ssh://git@h/x",
            "git@h:x",
            "",
            "https://h?a@b:c",
        ] {
            assert!(!holds_password(url), "{url}");
            assert_eq!(without_password(url), url);
        }
    }
}
