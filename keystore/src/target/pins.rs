//! The clients that a target obeys: let in, and let in no longer.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{PinnedClient, keys_of};
use crate::file::Existing;
use crate::identity::Role;
use crate::name::ClientName;
use crate::store::Store;
use crate::unfit::{LoadError, Unfit};

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
/// the key has another name.
pub fn add_client(
    path: &Path,
    client: &PinnedClient,
    existing: Existing,
) -> Result<(), ClientPinError> {
    Store::update(path, Role::Target, |store| {
        for old in keys_of(store).map_err(Unfit::at(path))?.clients {
            if old.name == client.name {
                if existing == Existing::Keep {
                    let fingerprint = old.identity.fingerprint();
                    let PinnedClient { name, added_at, .. } = old;
                    return Err(ClientPinError::Taken {
                        name,
                        fingerprint,
                        added_at,
                    });
                }
            } else if old.identity.channel == client.identity.channel {
                return Err(ClientPinError::SameKey { name: old.name });
            }
        }
        store
            .peers
            .insert(client.name.as_str().to_owned(), client.encode());
        Ok(())
    })
}

/// Lets a client in no longer.
///
/// # Errors
/// [`ClientPinError::Unknown`] when there is none of that name.
pub fn remove_client(path: &Path, name: &ClientName) -> Result<(), ClientPinError> {
    Store::update(path, Role::Target, |store| {
        match store.peers.remove(name.as_str()) {
            Some(_) => Ok(()),
            None => Err(ClientPinError::Unknown {
                path: path.to_owned(),
                name: name.clone(),
            }),
        }
    })
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
        }
    }

    #[test]
    fn pins_come_and_go_as_they_were_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let (own, laptop, desk) = (Keypair::generate(), client("laptop"), client("desk"));
        let identity = own.identity();
        write_new(&path, own, &[laptop], Existing::Keep).unwrap();
        add_client(&path, &desk, Existing::Keep).unwrap();

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

        remove_client(&path, &desk.name).unwrap();
        assert_eq!(load(&path).unwrap().clients.len(), 1);
        let gone = remove_client(&path, &desk.name);
        assert!(matches!(gone, Err(ClientPinError::Unknown { .. })));
    }

    #[test]
    fn one_name_is_one_key_and_one_key_is_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let laptop = client("laptop");
        write_new(&path, Keypair::generate(), &[], Existing::Keep).unwrap();
        add_client(&path, &laptop, Existing::Keep).unwrap();

        let taken = add_client(&path, &client("laptop"), Existing::Keep);
        assert!(matches!(taken, Err(ClientPinError::Taken { .. })));
        let twin = PinnedClient {
            identity: laptop.identity,
            ..client("twin")
        };
        for existing in [Existing::Keep, Existing::Replace] {
            let same = add_client(&path, &twin, existing);
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
        add_client(&path, &new, Existing::Replace).unwrap();
        let [pinned] = &load(&path).unwrap().clients[..] else {
            panic!("one client")
        };
        assert_eq!(pinned.identity, new.identity);
    }
}
