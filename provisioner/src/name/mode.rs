//! Permission bits.

use std::fmt;

use serde::Deserialize;

use super::{BadName, deserialize};

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
    fn a_mode_is_octal_text() {
        assert_eq!("0644".parse::<Mode>().map(Mode::bits), Ok(0o644));
        assert_eq!("0o755".parse::<Mode>().map(Mode::bits), Ok(0o755));
        for bad in ["644x", "9", "08", "00644", "-644", "0888"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad:?}");
        }
    }
}
