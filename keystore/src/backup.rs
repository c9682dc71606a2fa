//! A copy of a keystore, and what can be known of it before it is put back (K6).

use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::client;
use crate::file::{self, FileError, Hold, Locked, Place, Staged};
use crate::identity::{Identity, Role};
use crate::own::Own;
use crate::store::Store;
use crate::target;
use crate::unfit::{LoadError, Unfit};

/// Why a backup was not made.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The keystore is not worth a copy.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The copy could not be written.
    #[error(transparent)]
    Write(FileError),
    /// The copy reads back otherwise than it was written.
    #[error("{path}: the copy differs from the keystore; is the disk failing?")]
    Differs {
        /// The copy.
        path: PathBuf,
    },
}

/// Copies a sound keystore of either role to a file that must not be there yet, and reads the copy
/// back.
///
/// # Errors
/// [`LoadError::Damaged`] when there is nothing worth copying.
pub fn backup(keystore: &Path, copy: &Path) -> Result<(), BackupError> {
    let bytes = file::read(keystore).map_err(LoadError::File)?;
    examine(keystore, &bytes)?;
    Staged::write(copy, Place::Output, &bytes, None)
        .and_then(Staged::publish)
        .map_err(BackupError::Write)?;
    if read_back(copy, Place::Output).map_err(BackupError::Write)? != bytes {
        return Err(BackupError::Differs {
            path: copy.to_owned(),
        });
    }
    Ok(())
}

/// What decides whether one keystore may take another's place.
pub(crate) struct Summary {
    pub(crate) role: Role,
    pub(crate) identity: Identity,
    pub(crate) serial: u64,
}

/// Reads a keystore whole, so that nothing in it can turn out unfit later.
pub(crate) fn examine(path: &Path, bytes: &Zeroizing<Vec<u8>>) -> Result<Summary, LoadError> {
    let store = Store::from_bytes(bytes.clone()).map_err(Unfit::at(path))?;
    let all = match store.role {
        Role::Client => client::keys_of(&store).map(drop),
        Role::Target => target::keys_of(&store).map(drop),
    };
    let own = all
        .and_then(|()| Own::from_bytes(&store.own))
        .map_err(Unfit::at(path))?;
    Ok(Summary {
        role: store.role,
        identity: own.identity(),
        serial: store.serial,
    })
}

pub(crate) fn read_back(path: &Path, place: Place) -> Result<Zeroizing<Vec<u8>>, FileError> {
    Locked::open(path, Hold::Shared, place)?.read()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;
    use crate::{
        Address, ClientName, Existing, NewTarget, Passphrase, TargetName, gen_target, restore,
    };

    /// A client's keystore in a directory with room for a copy.
    pub(crate) struct Bench {
        pub(crate) dir: tempfile::TempDir,
        pub(crate) keystore: PathBuf,
        pub(crate) copy: PathBuf,
    }

    pub(crate) fn bench() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (keystore, copy) = (dir.path().join("keystore.db"), dir.path().join("copy"));
        client::create(&keystore, None, Existing::Keep).unwrap();
        Bench {
            dir,
            keystore,
            copy,
        }
    }

    impl Bench {
        pub(crate) fn add(&self, name: &str, address: Option<&str>, now: u64) -> PathBuf {
            let output = self.dir.path().join(format!("{name}.keystore"));
            let new = NewTarget {
                name: TargetName::parse(name).unwrap(),
                client: ClientName::parse("laptop").unwrap(),
                address: address.map(|text| Address::parse(text).unwrap()),
                now,
            };
            gen_target(&self.keystore, &output, new, Existing::Replace).unwrap();
            output
        }
    }

    #[test]
    fn damage_is_neither_copied_nor_restored() {
        let bench = bench();
        let good = fs::read(&bench.keystore).unwrap();
        let mut bad = good.clone();
        bad[9000] ^= 1;
        fs::write(&bench.keystore, &bad).unwrap();
        assert!(matches!(
            backup(&bench.keystore, &bench.copy),
            Err(BackupError::Load(_))
        ));
        assert!(!bench.copy.exists());
        fs::write(&bench.keystore, &good).unwrap();
        backup(&bench.keystore, &bench.copy).unwrap();
        assert!(matches!(
            backup(&bench.keystore, &bench.copy),
            Err(BackupError::Write(_))
        ));
        fs::write(&bench.copy, &bad).unwrap();
        assert!(restore(&bench.copy, &bench.keystore, Existing::Replace).is_err());
        assert_eq!(fs::read(&bench.keystore).unwrap(), good);
    }

    /// K6: grep for the client's private keys in what a target is given, and in its backup. A
    /// passphrase keeps them out of the client's own file too.
    #[test]
    fn a_target_never_holds_the_clients_private_keys() {
        let bench = bench();
        let target = bench.add("web1", None, 1);
        backup(&target, &bench.copy).unwrap();
        let Own::Open(keys) = client::load(&bench.keystore).unwrap().own else {
            panic!("it has no passphrase")
        };
        // As they are, or in the two halves that they are written down in.
        let is_in = |bytes: &[u8], secret: &[u8; 32]| {
            bytes.windows(32).any(|window| window == secret)
                || bytes.windows(64).any(|window| {
                    let (one, other) = window.split_at(32);
                    one.iter()
                        .zip(other)
                        .zip(secret)
                        .all(|((a, b), whole)| a ^ b == *whole)
                })
        };
        let holds = |path: &Path| {
            let bytes = fs::read(path).unwrap();
            [keys.channel.expose(), keys.signing.expose()].map(|secret| is_in(&bytes, secret))
        };
        assert_eq!(holds(&bench.keystore), [true, true]);
        assert_eq!(holds(&target), [false, false]);
        assert_eq!(holds(&bench.copy), [false, false]);

        let words = Passphrase::new(Zeroizing::new("correct horse".to_owned())).unwrap();
        crate::set_passphrase(&bench.keystore, crate::Role::Client, None, Some(&words)).unwrap();
        assert_eq!(holds(&bench.keystore), [false, false]);
    }
}
