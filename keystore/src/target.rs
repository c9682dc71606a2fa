//! The target's keystore: its own keys, and the clients it obeys (K7).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::file::{Existing, Hold, Locked, Place, Staged};
use crate::grant::Grants;
use crate::identity::{Identity, Keypair, Role};
use crate::key::{Psk, PublicKey};
use crate::name::ClientName;
use crate::own::Own;
use crate::record::Pin;
use crate::store::{LoadError, Store, Unfit};

/// All that a target's keystore holds. The file is closed again.
pub struct TargetKeys {
    /// Its own private keys.
    pub own: Keypair,
    /// The clients it obeys, by name.
    pub clients: Vec<PinnedClient>,
    /// How many times the keystore was written.
    pub serial: u64,
}

impl TargetKeys {
    /// The client that has this key for the channel. The one place where it is decided whether a
    /// key is let in; what it may do then, [`Grants::allows`] decides.
    #[must_use]
    pub fn client(&self, key: &PublicKey) -> Option<&PinnedClient> {
        self.clients
            .iter()
            .find(|client| client.identity.channel == *key)
    }
}

/// A client as the target knows it.
pub struct PinnedClient {
    /// What the target calls it.
    pub name: ClientName,
    /// Its public keys.
    pub identity: Identity,
    /// What this pair alone shares.
    pub psk: Psk,
    /// What it may do.
    pub grants: Grants,
    /// When it was pinned, in unix seconds.
    pub added_at: u64,
}

impl PinnedClient {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        Pin::encode(
            &self.identity,
            &self.psk,
            self.added_at,
            &self.grants.to_string(),
        )
    }

    fn decode(name: &str, record: &[u8]) -> Result<Self, Unfit> {
        let name = ClientName::parse(name).map_err(|bad| Unfit::Damaged(bad.to_string()))?;
        let Pin {
            identity,
            psk,
            added_at,
            text,
        } = Pin::decode(record)?;
        let grants = Grants::parse(&text).map_err(|bad| Unfit::Damaged(bad.to_string()))?;
        Ok(Self {
            name,
            identity,
            psk,
            grants,
            added_at,
        })
    }
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
    /// There is no such client.
    #[error("{path}: no client is called {name}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: ClientName,
    },
}

/// Writes a target's keystore that is to be delivered; its serial is 1, or one more than that of
/// the keystore it replaces.
///
/// # Errors
/// [`crate::FileError::Exists`] when there is a file to be kept.
pub fn write_new(
    path: &Path,
    own: Keypair,
    clients: &[PinnedClient],
    existing: Existing,
) -> Result<(), LoadError> {
    Ok(stage(path, own, clients, existing)?.publish()?)
}

/// The same up to the point where the file gets its name.
pub(crate) fn stage(
    path: &Path,
    own: Keypair,
    clients: &[PinnedClient],
    existing: Existing,
) -> Result<Staged, LoadError> {
    let mut store = Store::new(Role::Target, Own::new(own, None).to_bytes());
    for client in clients {
        store
            .peers
            .insert(client.name.as_str().to_owned(), client.encode());
    }
    let mut replaces = match existing {
        Existing::Keep => None,
        Existing::Replace => Locked::open_if_there(path, Hold::Exclusive, Place::Output)?,
    };
    if let Some(locked) = &mut replaces {
        let old = Store::from_bytes(locked.read()?).map_err(Unfit::at(path));
        match old.and_then(|old| old.of_role(path, Role::Target)) {
            Ok(old) => store.serial += old.serial,
            Err(LoadError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Staged::write(
        path,
        Place::Output,
        &store.to_bytes(),
        replaces,
    )?)
}

/// Reads everything and lets the file go.
///
/// # Errors
/// [`LoadError`] when the file is unfit, damaged, of another schema or a client's.
pub fn load(path: &Path) -> Result<TargetKeys, LoadError> {
    let store = Store::load(path, Role::Target)?;
    keys_of(&store).map_err(Unfit::at(path))
}

pub(crate) fn keys_of(store: &Store) -> Result<TargetKeys, Unfit> {
    let decode =
        |(name, record): (&String, &Zeroizing<Vec<u8>>)| PinnedClient::decode(name, record);
    let clients: Vec<_> = store.peers.iter().map(decode).collect::<Result<_, _>>()?;
    let keys: BTreeSet<_> = clients
        .iter()
        .map(|client| client.identity.channel)
        .collect();
    if keys.len() < clients.len() {
        return Err(Unfit::damaged("two of its clients have one key"));
    }
    let Own::Open(own) = Own::from_bytes(&store.own)? else {
        return Err(Unfit::damaged(
            "a target's own keys cannot be under a passphrase",
        ));
    };
    Ok(TargetKeys {
        own,
        clients,
        serial: store.serial,
    })
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
    use crate::grant::Grant;

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

    /// K7: a client's keystore is not a target's, and is not overwritten as one.
    #[test]
    fn the_other_role_is_refused_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        crate::client::create(&path, None, Existing::Keep).unwrap();
        assert!(matches!(load(&path), Err(LoadError::Role { .. })));
        let refused = write_new(&path, Keypair::generate(), &[], Existing::Replace);
        assert!(matches!(refused, Err(LoadError::Role { .. })));
        crate::client::load(&path).unwrap();
    }
}
