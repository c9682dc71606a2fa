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
