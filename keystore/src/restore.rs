//! A backup put in its keystore's place, unless something would be lost (K6).

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::backup::{Summary, examine, read_back};
use crate::file::{Existing, FileError, Hold, Locked, Place, Staged};
use crate::identity::Role;
use crate::unfit::LoadError;

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
    /// What it would replace is a keystore of the other role.
    #[error("{path}: is a {found}'s keystore, and {copy} is a {backup}'s")]
    OtherRole {
        /// The keystore.
        path: PathBuf,
        /// Its role.
        found: Role,
        /// The backup.
        copy: PathBuf,
        /// The backup's role.
        backup: Role,
    },
    /// The keystore reads back otherwise than it was written.
    #[error("{path}: differs from the backup; is the disk failing?")]
    Differs {
        /// The keystore.
        path: PathBuf,
    },
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
            (Ok(old), existing) => refuse_loss(keystore, &old, copy, &backup, existing)?,
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

fn refuse_loss(
    path: &Path,
    old: &Summary,
    copy: &Path,
    backup: &Summary,
    existing: Existing,
) -> Result<(), RestoreError> {
    let path = path.to_owned();
    if old.role != backup.role {
        return Err(RestoreError::OtherRole {
            path,
            found: old.role,
            copy: copy.to_owned(),
            backup: backup.role,
        });
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

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::backup::tests::bench;
    use crate::{backup, client};

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
        let (bench, other) = (bench(), bench());
        backup(&other.keystore, &other.copy).unwrap();
        let refused = restore(&other.copy, &bench.keystore, Existing::Keep);
        assert!(matches!(refused, Err(RestoreError::OtherKeys { .. })));
        let target = bench.add("web1", None, 1);
        let copy = bench.dir.path().join("target copy");
        backup(&target, &copy).unwrap();
        let refused = restore(&copy, &bench.keystore, Existing::Replace);
        assert!(matches!(refused, Err(RestoreError::OtherRole { .. })));
    }
}
