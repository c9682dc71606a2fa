//! The targets that a client knows: pinned, renamed, forgotten.

use std::path::Path;

use thiserror::Error;

use super::succession::set_behind;
use super::{FindError, KnownTarget, Pinned, find};
use crate::address::Address;
use crate::file::Existing;
use crate::identity::{Identity, Role};
use crate::name::TargetName;
use crate::store::Store;
use crate::unfit::{LoadError, Unfit};

/// Why a target was not pinned.
#[derive(Debug, Error)]
pub enum PinError {
    /// The keystore could not be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The name has a key already, which would be forgotten.
    #[error("{} is already pinned ({})", .0.name, .0.fingerprint)]
    Taken(Pinned),
}

/// Why a target was not renamed.
#[derive(Debug, Error)]
pub enum RenameError {
    /// The old name is not there, or the keystore is not usable.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The new name belongs to another target.
    #[error("{} is already pinned ({})", .0.name, .0.fingerprint)]
    Taken(Pinned),
}

impl From<LoadError> for RenameError {
    fn from(error: LoadError) -> Self {
        Self::Find(error.into())
    }
}

/// Pins a target. With [`Existing::Replace`] the name's old key is forgotten.
///
/// # Errors
/// [`PinError::Taken`] when the name has a key to be kept.
pub fn pin_target(path: &Path, target: &KnownTarget, existing: Existing) -> Result<(), PinError> {
    Store::update(path, Role::Client, |store| {
        if existing == Existing::Keep {
            refuse_taken(path, store, &target.name)?;
        }
        store
            .peers
            .insert(target.name.as_str().to_owned(), target.encode());
        set_behind(store, &target.name, target.behind.as_ref());
        Ok(())
    })
}

/// What [`pin_target`] would refuse, without doing it.
pub(crate) fn refuse_taken(path: &Path, store: &Store, name: &TargetName) -> Result<(), PinError> {
    match store.peers.get(name.as_str()) {
        None => Ok(()),
        Some(record) => {
            let old = KnownTarget::of(store, name.as_str(), record).map_err(Unfit::at(path))?;
            Err(PinError::Taken(old.label()))
        }
    }
}

/// Forgets a target, and hands over what was known of it.
///
/// # Errors
/// [`FindError::Unknown`] when there is none of that name.
pub fn remove(path: &Path, name: &TargetName) -> Result<KnownTarget, FindError> {
    Store::update(path, Role::Client, |store| {
        let target = find(path, store, name)?;
        store.peers.remove(name.as_str());
        set_behind(store, name, None);
        Ok(target)
    })
}

/// Calls a target by another name.
///
/// # Errors
/// [`RenameError::Taken`] when the new name is another target's.
pub fn rename(path: &Path, from: &TargetName, to: &TargetName) -> Result<(), RenameError> {
    Store::update(path, Role::Client, |store| {
        let target = find(path, store, from)?;
        if from != to {
            refuse_taken(path, store, to).map_err(|error| match error {
                PinError::Taken(pinned) => RenameError::Taken(pinned),
                PinError::Load(error) => error.into(),
            })?;
        }
        store.peers.remove(from.as_str());
        store.peers.insert(to.as_str().to_owned(), target.encode());
        set_behind(store, to, target.behind.as_ref());
        if from != to {
            set_behind(store, from, None);
        }
        Ok(())
    })
}

/// Remembers where a target is reached, or forgets it.
///
/// # Errors
/// [`FindError::Unknown`] when there is none of that name.
pub fn set_address(
    path: &Path,
    name: &TargetName,
    address: Option<Address>,
) -> Result<(), FindError> {
    Store::update(path, Role::Client, |store| {
        let target = KnownTarget {
            address,
            ..find(path, store, name)?
        };
        store
            .peers
            .insert(name.as_str().to_owned(), target.encode());
        Ok(())
    })
}

/// Pins a target by new keys, which it has instead of these. One that is pinned by others stays so.
///
/// # Errors
/// [`FindError::Unknown`] when there is none of that name.
pub fn renewed(
    path: &Path,
    name: &TargetName,
    from: &Identity,
    to: Identity,
    now: u64,
) -> Result<(), FindError> {
    Store::update(path, Role::Client, |store| {
        let mut target = find(path, store, name)?;
        if target.identity == *from {
            (target.identity, target.added_at) = (to, now);
            let name = name.as_str().to_owned();
            store.peers.insert(name, target.encode());
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bench, name, names};
    use super::*;
    use crate::client::load_target;

    #[test]
    fn remove_rename_and_address_do_what_they_say() {
        let bench = bench(&["a", "b", "c"]);
        remove(&bench.path, &name("b")).unwrap();
        assert_eq!(names(&bench), ["a", "c"]);
        let refused = rename(&bench.path, &name("a"), &name("c"));
        assert!(matches!(refused, Err(RenameError::Taken(_))));
        rename(&bench.path, &name("a"), &name("z")).unwrap();
        rename(&bench.path, &name("z"), &name("z")).unwrap();
        assert_eq!(names(&bench), ["c", "z"]);
        let address = Address::parse("web.example.org").unwrap();
        set_address(&bench.path, &name("z"), Some(address.clone())).unwrap();
        assert_eq!(
            load_target(&bench.path, &name("z")).unwrap().1.address,
            Some(address)
        );
        set_address(&bench.path, &name("z"), None).unwrap();
        assert_eq!(
            load_target(&bench.path, &name("z")).unwrap().1.address,
            None
        );
    }
}
