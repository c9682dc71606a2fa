//! Names that a config may give to things on a host, each checked once, when it is parsed.
//!
//! Whatever holds one of these types may go into an argument vector after `--`: none can be empty,
//! begin with `-`, or hold a NUL, a line break or a control character (X4).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why a text is not the name it should be. Words for a person, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub &'static str);

/// Reads a text by its rule. What breaks the rule is told at the text itself, also in a list.
pub(crate) fn deserialize<'de, T, D: serde::Deserializer<'de>>(
    d: D,
    parse: fn(&str) -> Result<T, BadName>,
) -> Result<T, D::Error> {
    struct Text<T>(fn(&str) -> Result<T, BadName>);
    impl<T> serde::de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            self.0(text).map_err(E::custom)
        }
    }
    d.deserialize_str(Text(parse))
}

/// Declares a checked string type: its rule is a function from text to complaint.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident => $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` by this name's rule.
            ///
            /// # Errors
            /// Says which rule the text breaks; the text is not repeated.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                $check(text).map(|()| Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                deserialize(d, Self::parse)
            }
        }
    )*};
}

names! {
    /// A user's login name: `^[a-z_][a-z0-9_-]{0,31}$`.
    UserName => check_account;
    /// A group's name, by the same rule as a user's.
    GroupName => check_account;
    /// A package's name, with an optional `:arch`.
    PackageName => check_package;
    /// A package's version as its manager writes it.
    PackageVersion => check_version;
    /// A systemd unit's full name, such as `nginx.service`.
    UnitName => check_unit;
}

impl UnitName {
    /// Like [`UnitName::parse`], but a name without a suffix is taken for a service, as systemctl does.
    ///
    /// # Errors
    /// Those of [`UnitName::parse`].
    pub fn service(text: &str) -> Result<Self, BadName> {
        let has_suffix = text
            .rsplit_once('.')
            .is_some_and(|(_, suffix)| UNIT_TYPES.contains(&suffix));
        if has_suffix {
            Self::parse(text)
        } else {
            Self::parse(&format!("{text}.service"))
        }
    }
}

const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "timer",
    "path",
    "target",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

fn check_account(text: &str) -> Result<(), BadName> {
    let mut chars = text.bytes();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == b'_');
    let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-".contains(&c));
    if first && rest && text.len() <= 32 {
        return Ok(());
    }
    Err(BadName(
        "a user or group name is 1 to 32 of a-z, 0-9, `_` and `-`, and begins with a letter or `_`",
    ))
}

fn check_package(text: &str) -> Result<(), BadName> {
    let (name, arch) = text
        .split_once(':')
        .map_or((text, None), |(n, a)| (n, Some(a)));
    let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good_arch = arch.is_none_or(|a| {
        !a.is_empty() && a.bytes().all(|c| lower(c) || c == b'-') && !a.starts_with('-')
    });
    let good_name = name.len() >= 2
        && name.len() <= 128
        && name.bytes().next().is_some_and(lower)
        && name.bytes().all(|c| lower(c) || b"+.-".contains(&c));
    if name.ends_with('-') {
        return Err(BadName(
            "a package name does not end in `-` (apt would remove the package); use `state = \"absent\"`",
        ));
    }
    if good_name && good_arch {
        return Ok(());
    }
    Err(BadName(
        "a package name is a-z, 0-9, `+`, `.` and `-`, at least two characters, optionally followed by `:arch`",
    ))
}

fn check_version(text: &str) -> Result<(), BadName> {
    let good = |c: u8| c.is_ascii_alphanumeric() || b".+-~:_^".contains(&c);
    if !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(good)
        && text.as_bytes()[0].is_ascii_alphanumeric()
    {
        return Ok(());
    }
    Err(BadName(
        "a version is letters, digits and `. + - ~ : _ ^`, and begins with a letter or digit",
    ))
}

fn check_unit(text: &str) -> Result<(), BadName> {
    let good = |c: u8| c.is_ascii_alphanumeric() || b":-_.\\@".contains(&c);
    let Some((stem, suffix)) = text.rsplit_once('.') else {
        return Err(BadName(
            "a unit name ends in its type, such as `.service` or `.timer`",
        ));
    };
    if !UNIT_TYPES.contains(&suffix) {
        return Err(BadName(
            "a unit name ends in its type, such as `.service` or `.timer`",
        ));
    }
    if !stem.is_empty()
        && text.len() <= 255
        && text.bytes().all(good)
        && !text.starts_with(['-', '.'])
    {
        return Ok(());
    }
    Err(BadName(
        "a unit name is letters, digits and `: - _ . \\ @`, at most 255 characters, not a path",
    ))
}

/// An absolute path without `.`, `..`, empty components, NUL or control characters, at most 4,095
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
        if text.chars().any(char::is_control) {
            return Err(BadName("a path holds no control characters"));
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

impl<'de> Deserialize<'de> for AbsPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, Self::parse)
    }
}

/// Permission bits, written `"0644"` in a config or `0o644` as an integer; a bare decimal is refused,
/// since nobody means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u32);

impl Mode {
    /// The bits, at most `0o7777`.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits as an integer.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether set-uid or set-gid is among them.
    pub const fn sets_id(self) -> bool {
        self.0 & 0o6000 != 0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl std::str::FromStr for Mode {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        const RULE: BadName =
            BadName("a mode is three or four octal digits in quotes, such as \"0644\"");
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !(3..=4).contains(&digits.len()) || !digits.bytes().all(|c| (b'0'..=b'7').contains(&c)) {
            return Err(RULE);
        }
        u32::from_str_radix(digits, 8)
            .map(Self::new)
            .map_err(|_| RULE)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // Octal integers are rewritten to text by config::spelling, which still sees the radix.
        deserialize(d, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tools_would_misread_are_refused() {
        for bad in [
            "",
            "-x",
            "Ana",
            "a b",
            "a\n",
            "1st",
            "a:b",
            "ümit",
            &"a".repeat(33),
        ] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "", "a", "nginx-", "-nginx", "./x.deb", "a/b", "foo^", "foo~", "g*", "a=1", "x:", "a:-",
        ] {
            assert!(PackageName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["g++", "libc6:amd64", "python3.11", "0ad"] {
            assert!(PackageName::parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            "nginx",
            "../x.service",
            "a/b.service",
            "-a.service",
            ".service",
            "a b.service",
        ] {
            assert!(UnitName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            UnitName::service("nginx").map(|u| u.to_string()),
            Ok("nginx.service".into())
        );
        assert_eq!(
            UnitName::service("getty@tty1").map(|u| u.to_string()),
            Ok("getty@tty1.service".into())
        );
    }

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

    #[test]
    fn a_mode_is_octal_text() {
        assert_eq!("0644".parse::<Mode>().map(Mode::bits), Ok(0o644));
        assert_eq!("0o755".parse::<Mode>().map(Mode::bits), Ok(0o755));
        for bad in ["644x", "9", "08", "00644", "-644", "0888"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad:?}");
        }
    }
}
