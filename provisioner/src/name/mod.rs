//! Names that a config may give to things on a host, each checked once, when it is parsed.
//!
//! Whatever holds one of these types may go into an argument vector after `--`: none can be empty,
//! begin with `-`, or hold a NUL, a line break or a control character (X4).

mod day;
mod mode;
mod path;
mod pattern;
mod repo;
mod system;
mod unit;

use std::fmt;

use serde::Deserialize;

pub use self::day::Day;
pub use self::mode::Mode;
pub use self::path::AbsPath;
pub use self::pattern::Pattern;
use self::repo::{check_component, check_repo, check_suite, check_uri};
pub use self::system::{ModuleName, SysctlKey};
use self::system::{check_host, check_interface, check_locale, check_zone};
pub use self::unit::{UnitId, UnitScope};

/// Why a text is not the name it should be. Words for a person, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub &'static str);

/// Whether a character does not show, or turns the text around it: with such ones a person reads
/// another name than a tool does. Those that join letters belong to several scripts, and may stay.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Reads a text by its rule. What breaks the rule is told at the text itself, also in a list.
pub(crate) fn deserialize<'de, T, W: fmt::Display, D: serde::Deserializer<'de>>(
    d: D,
    parse: fn(&str) -> Result<T, W>,
) -> Result<T, D::Error> {
    struct Text<T, W>(fn(&str) -> Result<T, W>);
    impl<T, W: fmt::Display> serde::de::Visitor<'_> for Text<T, W> {
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
    /// A package repository's name, and so that of its files: `^[a-z0-9][a-z0-9_-]{0,63}$`.
    RepoName => check_repo;
    /// The address of a package repository: https, http or file, without anybody's password.
    RepoUri => check_uri;
    /// A suite of a Debian repository, such as `bookworm`, or an exact path that ends in `/`.
    Suite => check_suite;
    /// A component of a suite, such as `main`.
    Component => check_component;
    /// A host's own name, with or without its domain.
    HostName => check_host;
    /// A time zone by its path below `/usr/share/zoneinfo`.
    ZoneName => check_zone;
    /// A locale of the C library.
    LocaleName => check_locale;
    /// A network interface.
    InterfaceName => check_interface;
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
    let good_arch = arch.is_none_or(|a| {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        !a.is_empty() && a.bytes().all(good) && !a.starts_with('-')
    });
    let good_name = name.len() >= 2
        && name.len() <= 128
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"+.-_".contains(&c));
    if name.ends_with('-') {
        return Err(BadName(
            "a package name does not end in `-` (apt would remove the package); use `state = \"absent\"`",
        ));
    }
    if good_name && good_arch {
        return Ok(());
    }
    Err(BadName(
        "a package name is letters, digits, `+`, `.`, `-` and `_`, at least two characters, optionally followed by `:arch`",
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
        for good in [
            "g++",
            "libc6:amd64",
            "python3.11",
            "0ad",
            "NetworkManager",
            "lab_dep:x86_64",
        ] {
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
}
