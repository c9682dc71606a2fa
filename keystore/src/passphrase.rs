//! What a person types to open a keystore, and what is said when it does not (K3).

use thiserror::Error;
use zeroize::Zeroizing;

/// What a person types to open a keystore. It cannot be printed or compared.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes any text but an empty one; nothing is trimmed.
    ///
    /// # Errors
    /// [`EmptyPassphrase`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, EmptyPassphrase> {
        if text.is_empty() {
            Err(EmptyPassphrase)
        } else {
            Ok(Self(text))
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Nothing was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the passphrase is empty")]
pub struct EmptyPassphrase;

/// The passphrase is not the one, or somebody altered the sealed keys and their checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("wrong passphrase, or the sealed keys were altered")]
pub struct WrongPassphrase;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_passphrase_is_none() {
        assert!(Passphrase::new(Zeroizing::new(String::new())).is_err());
    }
}
