//! Making a client's keystore, and what stands against making it again.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::{Existing, Hold, Locked, Place, Staged};
use crate::identity::{Identity, Keypair, Role};
use crate::name::TargetName;
use crate::own::Own;
use crate::passphrase::Passphrase;
use crate::store::Store;
use crate::unfit::{LoadError, Unfit};

/// Why a client's keystore was not made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The place is unfit, or what is there cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is one, and new keys would be strangers to every target that pins the old ones.
    #[error(
        "{path}: a client's keystore is already here ({fingerprint}); new keys would lock it out \
         of {} target{}", targets.len(), if targets.len() == 1 { "" } else { "s" }
    )]
    LocksOut {
        /// The file.
        path: PathBuf,
        /// Of the keys that are there.
        fingerprint: String,
        /// The targets that would no longer know this client.
        targets: Vec<TargetName>,
    },
}

/// Makes a client's keystore with fresh keys and no targets. With [`Existing::Replace`] the old
/// keys and pins are gone; a target's keystore, or one of another schema, is never replaced.
///
/// # Errors
/// [`CreateError::LocksOut`] when there is one to be kept.
pub fn create(
    path: &Path,
    passphrase: Option<&Passphrase>,
    existing: Existing,
) -> Result<Identity, CreateError> {
    let mut locked =
        Locked::open_if_there(path, Hold::Exclusive, Place::Home).map_err(LoadError::File)?;
    let old = match &mut locked {
        None => None,
        Some(locked) => old_to_replace(path, locked, existing)?,
    };
    let own = Own::new(Keypair::generate(), passphrase);
    let mut store = Store::new(Role::Client, own.to_bytes());
    store.serial += old.map_or(0, |old| old.serial);
    Staged::write(path, Place::Home, &store.to_bytes(), locked)
        .and_then(Staged::publish)
        .map_err(LoadError::File)?;
    Ok(own.identity())
}

/// The keystore that is to be replaced, or nothing where it is beyond reading.
fn old_to_replace(
    path: &Path,
    locked: &mut Locked,
    existing: Existing,
) -> Result<Option<Store>, CreateError> {
    let bytes = locked.read().map_err(LoadError::File)?;
    let read = Store::from_bytes(bytes).map_err(Unfit::at(path));
    match (
        read.and_then(|store| store.of_role(path, Role::Client)),
        existing,
    ) {
        (Ok(store), Existing::Replace) => Ok(Some(store)),
        (Err(LoadError::Damaged { .. }), Existing::Replace) => Ok(None),
        (Err(error), _) => Err(error.into()),
        (Ok(store), Existing::Keep) => {
            let keys = super::keys_of(&store).map_err(Unfit::at(path))?;
            Err(CreateError::LocksOut {
                path: path.to_owned(),
                fingerprint: keys.own.identity().fingerprint(),
                targets: keys.targets.into_iter().map(|target| target.name).collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bench, name};
    use super::*;
    use crate::client::load;

    #[test]
    fn new_client_keys_say_whom_they_would_lock_out() {
        let bench = bench(&["db1", "web1"]);
        let old = load(&bench.path).unwrap().own.identity();
        match create(&bench.path, None, Existing::Keep) {
            Err(CreateError::LocksOut {
                targets,
                fingerprint,
                ..
            }) => {
                assert_eq!(targets, [name("db1"), name("web1")]);
                assert_eq!(fingerprint, old.fingerprint());
            }
            _ => panic!("there is one to be kept"),
        }
        let new = create(&bench.path, None, Existing::Replace).unwrap();
        let keys = load(&bench.path).unwrap();
        assert_ne!(new, old);
        assert_eq!(
            (keys.own.identity(), keys.targets.len(), keys.serial),
            (new, 0, 4)
        );
    }
}
