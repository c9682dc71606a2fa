//! The passphrase over the client's own keys: set, changed, taken off.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::succession::old;
use crate::identity::{Keypair, Role};
use crate::own::Own;
use crate::passphrase::{Passphrase, WrongPassphrase};
use crate::store::{OLD, Store};
use crate::unfit::{LoadError, Unfit};

/// Why a keystore's passphrase was not changed.
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

/// Seals the client's own keys under another passphrase, or under none.
///
/// # Errors
/// [`PassphraseError::Wrong`] when `current` does not open them.
pub fn set_passphrase(
    path: &Path,
    current: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), PassphraseError> {
    Store::update(path, Role::Client, |store| {
        let own = Own::from_bytes(&store.own).map_err(Unfit::at(path))?;
        store.own = Own::new(open(path, own, current)?, new).to_bytes();
        for (number, old) in old(store).map_err(Unfit::at(path))? {
            let resealed = Own::new(open(path, old, current)?, new).to_bytes();
            store.set_more(OLD, &number.to_string(), Some(resealed));
        }
        Ok(())
    })
}

/// The client's own keys, with their passphrase if they are under one.
pub(super) fn open(
    path: &Path,
    own: Own,
    current: Option<&Passphrase>,
) -> Result<Keypair, PassphraseError> {
    match own {
        Own::Open(keys) => Ok(keys),
        Own::Sealed(sealed) => {
            let needed = || PassphraseError::Needed {
                path: path.to_owned(),
            };
            let wrong = |WrongPassphrase| PassphraseError::Wrong {
                path: path.to_owned(),
            };
            sealed.open(current.ok_or_else(needed)?).map_err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::tests::{bench, name};
    use super::*;
    use crate::client::{load, load_target};

    #[test]
    fn a_passphrase_comes_changes_and_goes() {
        let bench = bench(&["web1"]);
        let words = |text: &str| Passphrase::new(Zeroizing::new(text.to_owned())).unwrap();
        let (one, two) = (words("one"), words("two"));
        let identity = load(&bench.path).unwrap().own.identity();

        set_passphrase(&bench.path, None, Some(&one)).unwrap();
        let (Own::Sealed(sealed), _) = load_target(&bench.path, &name("web1")).unwrap() else {
            panic!("it is sealed")
        };
        assert_eq!(sealed.identity(), identity);
        assert!(sealed.open(&two).is_err());
        assert_eq!(sealed.open(&one).ok().unwrap().identity(), identity);

        let refused = set_passphrase(&bench.path, None, Some(&two));
        assert!(matches!(refused, Err(PassphraseError::Needed { .. })));
        let refused = set_passphrase(&bench.path, Some(&two), Some(&two));
        assert!(matches!(refused, Err(PassphraseError::Wrong { .. })));
        set_passphrase(&bench.path, Some(&one), None).unwrap();
        assert!(matches!(load(&bench.path).unwrap().own, Own::Open(_)));
    }
}
