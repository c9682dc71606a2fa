//! The clients that a target obeys: let in, and let in no longer.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::renewal::{drop_former, set_late};
use super::{PinnedClient, keys_of};
use crate::file::Existing;
use crate::identity::Role;
use crate::name::ClientName;
use crate::store::{NEXT, Store, UNTIL};
use crate::unfit::{LoadError, Unfit};

/// Whether a change may leave nobody who may do everything (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockout {
    /// It may not.
    Refuse,
    /// Somebody means it.
    Force,
}

/// Why the pins of a target were not changed.
#[derive(Debug, Error)]
pub enum ClientPinError {
    /// The keystore could not be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The name has a key already, which would be forgotten.
    #[error("{name} is already pinned ({fingerprint})")]
    Taken {
        /// What the target calls the client.
        name: ClientName,
        /// Of its keys.
        fingerprint: String,
        /// When it was pinned, in unix seconds.
        added_at: u64,
    },
    /// The key is there under another name; one key is one client.
    #[error("this key is already pinned as {name}")]
    SameKey {
        /// The name it has.
        name: ClientName,
    },
    /// Nobody would be left who may do everything.
    #[error(
        "{name} is the last client that may do everything here for ever, and without it nobody could \
         let anybody in: let another in first, or force the lockout"
    )]
    LastOperator {
        /// Its name.
        name: ClientName,
    },
    /// There is no such client.
    #[error("{path}: no client is called {name}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: ClientName,
    },
}

/// Lets a client in. With [`Existing::Replace`] the name's old key is forgotten.
///
/// # Errors
/// [`ClientPinError::Taken`] when the name has a key to be kept, [`ClientPinError::SameKey`] when
/// the key has another name, [`ClientPinError::LastOperator`] when nobody may do everything any more.
pub fn add_client(
    path: &Path,
    client: &PinnedClient,
    existing: Existing,
    lockout: Lockout,
) -> Result<(), ClientPinError> {
    Store::update(path, Role::Target, |store| {
        let keys = keys_of(store).map_err(Unfit::at(path))?;
        for old in &keys.clients {
            if old.name == client.name {
                if existing == Existing::Keep {
                    let fingerprint = old.identity.fingerprint();
                    return Err(ClientPinError::Taken {
                        name: old.name.clone(),
                        fingerprint,
                        added_at: old.added_at,
                    });
                }
            } else if old
                .channels()
                .any(|(key, _)| key == client.identity.channel)
            {
                let name = old.name.clone();
                return Err(ClientPinError::SameKey { name });
            }
        }
        client.put(store);
        if keys.former.is_some() {
            set_late(store, &client.name, true);
        }
        refuse_lockout(path, &keys.clients, store, &client.name, lockout)
    })
}

/// Lets a client in no longer, by none of its keys.
///
/// # Errors
/// [`ClientPinError::Unknown`] when there is none of that name; [`ClientPinError::LastOperator`] when
/// nobody else may do everything.
pub fn remove_client(
    path: &Path,
    name: &ClientName,
    lockout: Lockout,
) -> Result<(), ClientPinError> {
    Store::update(path, Role::Target, |store| {
        let before = keys_of(store).map_err(Unfit::at(path))?.clients;
        if !store.peers.contains_key(name.as_str()) {
            return Err(ClientPinError::Unknown {
                path: path.to_owned(),
                name: name.clone(),
            });
        }
        store.peers.remove(name.as_str());
        store.set_more(UNTIL, name.as_str(), None);
        store.set_more(NEXT, name.as_str(), None);
        set_late(store, name, false);
        drop_former(store);
        refuse_lockout(path, &before, store, name, lockout)
    })
}

/// Refuses a change after which there is no operator. Where there was none, as in a keystore that was made
/// so, nothing is lost.
fn refuse_lockout(
    path: &Path,
    before: &[PinnedClient],
    after: &Store,
    changed: &ClientName,
    lockout: Lockout,
) -> Result<(), ClientPinError> {
    let after = keys_of(after).map_err(Unfit::at(path))?.clients;
    let had = before.iter().any(PinnedClient::is_operator);
    let has = after.iter().any(PinnedClient::is_operator);
    if lockout == Lockout::Refuse && had && !has {
        let name = changed.clone();
        return Err(ClientPinError::LastOperator { name });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Grant, Grants};
    use crate::identity::Keypair;
    use crate::key::Psk;
    use crate::target::{load, write_new};

    fn client(name: &str) -> PinnedClient {
        PinnedClient {
            name: ClientName::parse(name).unwrap(),
            identity: Keypair::generate().identity(),
            psk: Psk::generate(),
            grants: Grants::parse("status plan call:restart").unwrap(),
            added_at: 1_750_000_000,
            until: None,
            next: None,
        }
    }

    fn operator(name: &str) -> PinnedClient {
        PinnedClient {
            grants: Grants::all(),
            ..client(name)
        }
    }

    #[test]
    fn pins_come_and_go_as_they_were_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let (own, laptop, desk) = (Keypair::generate(), client("laptop"), client("desk"));
        let identity = own.identity();
        write_new(&path, own, &[laptop], Existing::Keep).unwrap();
        add_client(&path, &desk, Existing::Keep, Lockout::Refuse).unwrap();

        let keys = load(&path).unwrap();
        assert_eq!(keys.own.identity(), identity);
        let names: Vec<_> = keys
            .clients
            .iter()
            .map(|client| client.name.as_str())
            .collect();
        assert_eq!(
            (names.as_slice(), keys.serial),
            (&["desk", "laptop"][..], 2)
        );
        assert_eq!(keys.clients[0].identity, desk.identity);
        assert_eq!(keys.clients[0].psk.expose(), desk.psk.expose());
        assert_eq!(keys.clients[0].grants, desk.grants);
        assert!(!keys.clients[0].grants.allows(&Grant::Apply));

        remove_client(&path, &desk.name, Lockout::Refuse).unwrap();
        assert_eq!(load(&path).unwrap().clients.len(), 1);
        let gone = remove_client(&path, &desk.name, Lockout::Refuse);
        assert!(matches!(gone, Err(ClientPinError::Unknown { .. })));
    }

    #[test]
    fn one_name_is_one_key_and_one_key_is_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let laptop = client("laptop");
        write_new(&path, Keypair::generate(), &[], Existing::Keep).unwrap();
        add_client(&path, &laptop, Existing::Keep, Lockout::Refuse).unwrap();

        let taken = add_client(&path, &client("laptop"), Existing::Keep, Lockout::Refuse);
        assert!(matches!(taken, Err(ClientPinError::Taken { .. })));
        let twin = PinnedClient {
            identity: laptop.identity,
            ..client("twin")
        };
        for existing in [Existing::Keep, Existing::Replace] {
            let same = add_client(&path, &twin, existing, Lockout::Refuse);
            assert!(matches!(same, Err(ClientPinError::SameKey { .. })));
        }
        let keys = load(&path).unwrap();
        assert_eq!(
            keys.client(&laptop.identity.channel).unwrap().name,
            laptop.name
        );
        assert!(
            keys.client(&Keypair::generate().identity().channel)
                .is_none()
        );

        let new = client("laptop");
        add_client(&path, &new, Existing::Replace, Lockout::Refuse).unwrap();
        let [pinned] = &load(&path).unwrap().clients[..] else {
            panic!("one client")
        };
        assert_eq!(pinned.identity, new.identity);
    }

    /// R3: somebody who may do everything, for ever, is left unless that is meant.
    #[test]
    fn the_last_operator_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let laptop = operator("laptop");
        write_new(&path, Keypair::generate(), &[laptop], Existing::Keep).unwrap();
        let laptop = ClientName::parse("laptop").unwrap();
        add_client(&path, &client("desk"), Existing::Keep, Lockout::Refuse).unwrap();
        let guest = PinnedClient {
            until: Some(1_800_000_000),
            ..operator("guest")
        };
        add_client(&path, &guest, Existing::Keep, Lockout::Refuse).unwrap();
        let last = |result| matches!(result, Err(ClientPinError::LastOperator { .. }));
        assert!(last(remove_client(&path, &laptop, Lockout::Refuse)));
        let less = client("laptop");
        assert!(last(add_client(
            &path,
            &less,
            Existing::Replace,
            Lockout::Refuse
        )));
        assert_eq!(load(&path).unwrap().clients.len(), 3, "nothing was changed");

        add_client(&path, &operator("spare"), Existing::Keep, Lockout::Refuse).unwrap();
        remove_client(&path, &laptop, Lockout::Refuse).unwrap();
        let spare = ClientName::parse("spare").unwrap();
        remove_client(&path, &spare, Lockout::Force).unwrap();
        // Where there is no operator any more nobody is kept for being one.
        remove_client(&path, &guest.name, Lockout::Refuse).unwrap();
        let left = load(&path).unwrap().clients;
        assert_eq!((left.len(), left[0].until), (1, None));
    }
}
