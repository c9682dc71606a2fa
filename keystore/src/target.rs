//! The target's keystore: its own keys, and the clients it obeys (K7).

mod pins;

use std::collections::BTreeSet;
use std::path::Path;

use zeroize::Zeroizing;

use crate::file::{Existing, Hold, Locked, Place, Staged};
use crate::grant::Grants;
use crate::identity::{Identity, Keypair, Role};
use crate::key::{Psk, PublicKey};
use crate::name::ClientName;
use crate::own::Own;
use crate::record::Pin;
use crate::store::Store;
use crate::unfit::{LoadError, Unfit};

pub use pins::{ClientPinError, add_client, remove_client};

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

#[cfg(test)]
mod tests {
    use super::*;

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
