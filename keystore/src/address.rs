//! Where a target was last reached.

use std::fmt;

use thiserror::Error;

/// A host name or IP address, perhaps with a port; whoever dials it reads it further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Takes 1 to 255 visible ASCII letters.
    ///
    /// # Errors
    /// [`BadAddress`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if (1..=255).contains(&text.len()) && visible {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadAddress)
        }
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text cannot be an address of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an address is 1 to 255 visible ASCII letters, such as 10.0.0.5 or web1.example.org:6632")]
pub struct BadAddress;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_ascii_is_taken() {
        for good in ["10.0.0.5", "[::1]:6632", "web1.example.org"] {
            assert_eq!(Address::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "\u{1b}[2J", "ä", &"a".repeat(256)] {
            assert_eq!(Address::parse(bad), Err(BadAddress), "{bad:?}");
        }
    }
}
