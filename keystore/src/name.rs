//! Names that people give to targets, clients and calls, safe to become part of a file name (K2).

use std::fmt;

use thiserror::Error;

/// The longest name, in bytes.
const LONGEST: usize = 63;

/// Whether a text is `[A-Za-z0-9][A-Za-z0-9._-]{0,62}` and has no `..` in it.
fn check(text: &str) -> Result<(), BadName> {
    let Some(first) = text.bytes().next() else {
        return Err(BadName::Empty);
    };
    if text.len() > LONGEST {
        return Err(BadName::TooLong);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(BadName::BadStart);
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        return Err(BadName::BadLetter);
    }
    if text.contains("..") {
        return Err(BadName::DotDot);
    }
    Ok(())
}

/// Why a text is not a name. The text itself is left out: it may hold terminal escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadName {
    /// There is nothing in it.
    #[error("a name cannot be empty")]
    Empty,
    /// It has more than 63 letters.
    #[error("a name has at most 63 letters")]
    TooLong,
    /// It begins with a dot, a dash or something stranger.
    #[error("a name begins with an ASCII letter or digit")]
    BadStart,
    /// It holds a letter that names do not have.
    #[error("a name holds only ASCII letters, digits, `.`, `_` and `-`")]
    BadLetter,
    /// It holds two dots in a row.
    #[error("a name cannot hold `..`")]
    DotDot,
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(String);

        impl $Name {
            /// Reads a name: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}` without `..`.
            ///
            /// # Errors
            /// [`BadName`] for any other text; nothing is stripped or replaced.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $Name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }
    };
}

name! {
    /// What a client calls a target. The target does not know it.
    TargetName
}
name! {
    /// What a target calls a client, in its pins and its records.
    ClientName
}
name! {
    /// A capability that a target declares and `call:NAME` grants.
    CallName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken_as_they_are() {
        let longest = "x".repeat(63);
        for name in [
            "a",
            "7",
            "web1",
            "db-2.example.org",
            "A_b",
            "a.",
            "a-",
            &longest,
        ] {
            assert_eq!(TargetName::parse(name).unwrap().as_str(), name);
        }
    }

    /// K2: path tricks, shells, options, encodings, look-alikes, control and bidi characters.
    #[test]
    fn two_hundred_hostile_names_are_refused() {
        let table = include_str!("name/hostile.txt");
        let written: Vec<String> = table.lines().map(unescape).collect();
        let odd_bytes = (0..=127u8)
            .filter(|byte| !byte.is_ascii_alphanumeric() && !b"._-".contains(byte))
            .map(|byte| format!("a{}b", char::from(byte)));
        let long = [64, 65, 255, 256, 4096].map(|length| "a".repeat(length));
        let hostile: Vec<_> = written.into_iter().chain(odd_bytes).chain(long).collect();
        assert!(hostile.len() >= 200, "only {} names", hostile.len());
        for name in &hostile {
            assert!(TargetName::parse(name).is_err(), "{name:?}");
            assert!(ClientName::parse(name).is_err(), "{name:?}");
            assert!(CallName::parse(name).is_err(), "{name:?}");
        }
    }

    /// The table spells what a text file cannot hold as `\u{...}`.
    fn unescape(line: &str) -> String {
        let mut parts = line.split("\\u{");
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            let (code, rest) = part.split_once('}').unwrap();
            text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
            text.push_str(rest);
        }
        text
    }
}
