//! A value that must not be seen: no `Debug`, no `Display`, no `==`, wiped when dropped.

use serde::Deserialize;
use zeroize::Zeroizing;

/// Text that never reaches an output, a log, an argument vector or an error.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Each caller is a place to look at when a secret has leaked.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
