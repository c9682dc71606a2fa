//! What opens sealed keys: typed by a person, or given by systemd; and what is said when it does not (K3, K8).

use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::identity::Role;
use crate::own::Own;
use crate::store::{FORMER, OLD, Store};
use crate::unfit::{LoadError, Unfit};

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

    /// One that nobody could guess or remember: 32 random bytes in 64 hexadecimal digits.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).expect("Linux answers getrandom(2) once it has booted");
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in *bytes {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(half.into(), 16).expect("it is below 16"));
            }
        }
        Self(text)
    }

    /// The words themselves, for whoever keeps them.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
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

/// Why a keystore's own keys were not opened, or its passphrase not changed.
#[derive(Debug, Error)]
pub enum PassphraseError {
    /// The keystore could not be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The keys are sealed and no passphrase was given.
    #[error("{path}: its keys are under a passphrase, which is needed first")]
    Needed {
        /// The file.
        path: PathBuf,
    },
    /// The keys are sealed under another one.
    #[error("{path}: {WrongPassphrase}")]
    Wrong {
        /// The file.
        path: PathBuf,
    },
}

/// Seals the own keys of a keystore of this role under another passphrase, or under none.
///
/// # Errors
/// [`PassphraseError::Wrong`] when `current` does not open them.
pub fn set_passphrase(
    path: &Path,
    role: Role,
    current: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), PassphraseError> {
    Store::update(path, role, |store| {
        let more = store.more.iter_mut();
        let before = more.filter(|(key, _)| key.starts_with(OLD) || key.starts_with(FORMER));
        for row in before.map(|(_, row)| row).chain([&mut store.own]) {
            let own = Own::from_bytes(row).map_err(Unfit::at(path))?;
            *row = Own::new(own.open(path, current)?, new).to_bytes();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{bench, name};
    use crate::client::{load, load_target};

    #[test]
    fn a_passphrase_comes_changes_and_goes() {
        let bench = bench(&["web1"]);
        let words = |text: &str| Passphrase::new(Zeroizing::new(text.to_owned())).unwrap();
        let (one, two) = (words("one"), words("two"));
        let identity = load(&bench.path).unwrap().own.identity();

        let set = |current, new| set_passphrase(&bench.path, Role::Client, current, new);
        set(None, Some(&one)).unwrap();
        let (Own::Sealed(sealed), _) = load_target(&bench.path, &name("web1")).unwrap() else {
            panic!("it is sealed")
        };
        assert_eq!(sealed.identity(), identity);
        assert!(sealed.open(&two).is_err());
        assert_eq!(sealed.open(&one).ok().unwrap().identity(), identity);

        let refused = set(None, Some(&two));
        assert!(matches!(refused, Err(PassphraseError::Needed { .. })));
        let refused = set(Some(&two), Some(&two));
        assert!(matches!(refused, Err(PassphraseError::Wrong { .. })));
        set(Some(&one), None).unwrap();
        assert!(matches!(load(&bench.path).unwrap().own, Own::Open(_)));
    }

    #[test]
    fn an_empty_passphrase_is_none() {
        assert!(Passphrase::new(Zeroizing::new(String::new())).is_err());
    }
}
