//! Copies of a keystore, and the way back (K6).

use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::client;
use crate::file::{self, Existing, FileError, Hold, Locked, Place, Staged};
use crate::identity::{Identity, Role};
use crate::own::Own;
use crate::store::{LoadError, Store, Unfit};
use crate::target;

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

/// Why a backup was not restored. Nothing was changed.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The backup, or what it should replace, cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The keystore could not be written.
    #[error(transparent)]
    Write(FileError),
    /// What it would replace was written later.
    #[error("{path}: was written {keystore} times and the backup only {backup} times")]
    Newer {
        /// The keystore.
        path: PathBuf,
        /// Its serial.
        keystore: u64,
        /// The backup's serial.
        backup: u64,
    },
    /// What it would replace holds other keys, which would be lost.
    #[error("{path}: holds other keys ({fingerprint}), they would be lost")]
    OtherKeys {
        /// The keystore.
        path: PathBuf,
        /// Of the keys in it.
        fingerprint: String,
    },
    /// The keystore reads back otherwise than it was written.
    #[error("{path}: differs from the backup; is the disk failing?")]
    Differs {
        /// The keystore.
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

/// Puts a backup in the keystore's place, byte for byte. A damaged keystore is replaced without
/// more ado; a sound one only if it is an earlier state of the same keys, or with
/// [`Existing::Replace`].
///
/// # Errors
/// [`RestoreError::Newer`] and [`RestoreError::OtherKeys`] when something would be lost.
pub fn restore(copy: &Path, keystore: &Path, existing: Existing) -> Result<(), RestoreError> {
    let bytes = read_back(copy, Place::Output).map_err(LoadError::File)?;
    let backup = examine(copy, &bytes)?;
    let mut locked =
        Locked::open_if_there(keystore, Hold::Exclusive, Place::Home).map_err(LoadError::File)?;
    if let Some(locked) = &mut locked {
        let old = locked.read().map_err(LoadError::File)?;
        match (examine(keystore, &old), existing) {
            (Err(LoadError::Damaged { .. }), _) => {}
            (Err(error), _) => return Err(error.into()),
            (Ok(old), existing) => refuse_loss(keystore, &old, &backup, existing)?,
        }
    }
    Staged::write(keystore, Place::Home, &bytes, locked)
        .and_then(Staged::publish)
        .map_err(RestoreError::Write)?;
    if read_back(keystore, Place::Home).map_err(RestoreError::Write)? != bytes {
        return Err(RestoreError::Differs {
            path: keystore.to_owned(),
        });
    }
    Ok(())
}

/// What decides whether one keystore may take another's place.
struct Summary {
    role: Role,
    identity: Identity,
    serial: u64,
}

/// Reads a keystore whole, so that nothing in it can turn out unfit later.
fn examine(path: &Path, bytes: &Zeroizing<Vec<u8>>) -> Result<Summary, LoadError> {
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

fn refuse_loss(
    path: &Path,
    old: &Summary,
    backup: &Summary,
    existing: Existing,
) -> Result<(), RestoreError> {
    let path = path.to_owned();
    if old.role != backup.role {
        return Err(LoadError::Role {
            path,
            found: old.role,
            wanted: backup.role,
        }
        .into());
    }
    if existing == Existing::Replace {
        return Ok(());
    }
    if old.identity != backup.identity {
        return Err(RestoreError::OtherKeys {
            path,
            fingerprint: old.identity.fingerprint(),
        });
    }
    if old.serial > backup.serial {
        return Err(RestoreError::Newer {
            path,
            keystore: old.serial,
            backup: backup.serial,
        });
    }
    Ok(())
}

fn read_back(path: &Path, place: Place) -> Result<Zeroizing<Vec<u8>>, FileError> {
    Locked::open(path, Hold::Shared, place)?.read()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::{Address, ClientName, NewTarget, Passphrase, TargetName, gen_target};

    struct Bench {
        dir: tempfile::TempDir,
        keystore: PathBuf,
        copy: PathBuf,
    }

    fn bench() -> Bench {
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
        fn add(&self, name: &str, address: Option<&str>, now: u64) -> PathBuf {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// K6: restore(backup(x)) is x, byte for byte, whatever x holds and was lost.
        #[test]
        fn a_restored_backup_is_the_keystore(
            targets in proptest::collection::vec(
                ("[A-Za-z0-9][A-Za-z0-9_-]{0,62}", proptest::option::of("[!-~]{1,255}"), any::<u64>()),
                0..4,
            ),
            loss in 0..3,
        ) {
            let bench = bench();
            for (name, address, now) in &targets {
                bench.add(name, address.as_deref(), *now);
            }
            let bytes = fs::read(&bench.keystore).unwrap();
            backup(&bench.keystore, &bench.copy).unwrap();
            match loss {
                0 => fs::remove_file(&bench.keystore).unwrap(),
                1 => fs::write(&bench.keystore, &bytes[..bytes.len() / 2]).unwrap(),
                _ => {}
            }
            restore(&bench.copy, &bench.keystore, Existing::Keep).unwrap();
            prop_assert_eq!(fs::read(&bench.keystore).unwrap(), bytes);
            client::load(&bench.keystore).unwrap();
        }
    }

    #[test]
    fn a_newer_keystore_is_kept() {
        let bench = bench();
        backup(&bench.keystore, &bench.copy).unwrap();
        bench.add("web1", None, 1);
        match restore(&bench.copy, &bench.keystore, Existing::Keep) {
            Err(RestoreError::Newer {
                keystore: 2,
                backup: 1,
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(client::load(&bench.keystore).unwrap().targets.len(), 1);
        restore(&bench.copy, &bench.keystore, Existing::Replace).unwrap();
        assert_eq!(client::load(&bench.keystore).unwrap().targets.len(), 0);
    }

    #[test]
    fn other_keys_and_another_role_are_kept() {
        let (bench, other) = (bench(), self::bench());
        backup(&other.keystore, &other.copy).unwrap();
        let refused = restore(&other.copy, &bench.keystore, Existing::Keep);
        assert!(matches!(refused, Err(RestoreError::OtherKeys { .. })));
        let target = bench.add("web1", None, 1);
        let copy = bench.dir.path().join("target copy");
        backup(&target, &copy).unwrap();
        let refused = restore(&copy, &bench.keystore, Existing::Replace);
        assert!(matches!(
            refused,
            Err(RestoreError::Load(LoadError::Role { .. }))
        ));
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
        client::set_passphrase(&bench.keystore, None, Some(&words)).unwrap();
        assert_eq!(holds(&bench.keystore), [false, false]);
    }
}
