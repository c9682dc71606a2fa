//! The target's keystore: its own keys, and the clients it obeys (K7).

mod pins;
mod renewal;
mod succession;

use std::collections::BTreeSet;
use std::path::Path;

use zeroize::Zeroizing;

use crate::file::{Existing, Hold, Locked, Place, Staged};
use crate::grant::Grants;
use crate::identity::{Identity, Keypair, Role};
use crate::key::{Psk, PublicKey};
use crate::name::ClientName;
use crate::own::Own;
use crate::record::{Pin, Reader};
use crate::store::{NEXT, Store, UNTIL};
use crate::unfit::{LoadError, Unfit};

pub use pins::{ClientPinError, Lockout, add_client, remove_client};
pub use renewal::{RenewError, Renewal, followed, release, renew};
pub use succession::{SucceedError, Successor, settle, statement, succeed};

/// All that a target's keystore holds. The file is closed again.
pub struct TargetKeys {
    /// Its own private keys.
    pub own: Own,
    /// Those that it had before, while there may be a client that knows no others.
    pub former: Option<Own>,
    /// Those clients.
    pub late: BTreeSet<ClientName>,
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
            .find(|client| client.channels().any(|(own, _)| own == *key))
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
    /// When it is let in no longer, in unix seconds.
    pub until: Option<u64>,
    /// The keys that follow these, which are let in as well until they have been used.
    pub next: Option<Successor>,
}

impl PinnedClient {
    /// Its keys for the channel that are let in, each with what the pair shares under it.
    pub fn channels(&self) -> impl Iterator<Item = (PublicKey, &Psk)> {
        let next = self.next.iter();
        let next = next.map(|next| (next.identity.channel, &next.psk));
        [(self.identity.channel, &self.psk)].into_iter().chain(next)
    }

    /// Whether it may do everything, for ever: one of these must be left.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.until.is_none() && self.grants == Grants::all()
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        Pin::encode(
            &self.identity,
            &self.psk,
            self.added_at,
            &self.grants.to_string(),
        )
    }

    fn put(&self, store: &mut Store) {
        let name = self.name.as_str();
        store.peers.insert(name.to_owned(), self.encode());
        let until = self
            .until
            .map(|until| Zeroizing::new(until.to_le_bytes().to_vec()));
        store.set_more(UNTIL, name, until);
        store.set_more(NEXT, name, self.next.as_ref().map(Successor::encode));
    }

    fn of(store: &Store, name: &str, record: &[u8]) -> Result<Self, Unfit> {
        let until = store.more(UNTIL, name).map(|row| {
            let mut reader = Reader::new(row, "the end of a pin");
            let until = u64::from_le_bytes(reader.array()?);
            reader.end()?;
            Ok::<_, Unfit>(until)
        });
        let next = store.more(NEXT, name).map(Successor::decode);
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
            until: until.transpose()?,
            next: next.transpose()?,
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
    let mut store = new_store(own, clients);
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

/// The same, to be delivered in something else that is written to `output`, if it is to be written:
/// what `wrap` makes of the keystore.
pub(crate) fn stage_in(
    output: Option<&Path>,
    own: Keypair,
    clients: &[PinnedClient],
    existing: Existing,
    wrap: impl FnOnce(&Identity, &[u8]) -> Zeroizing<Vec<u8>>,
) -> Result<(Option<Staged>, Zeroizing<Vec<u8>>), LoadError> {
    let identity = own.identity();
    let wrapped = wrap(&identity, &new_store(own, clients).to_bytes());
    let Some(path) = output else {
        return Ok((None, wrapped));
    };
    let replaces = match existing {
        Existing::Keep => None,
        Existing::Replace => Locked::open_if_there(path, Hold::Exclusive, Place::Output)?,
    };
    let staged = Staged::write(path, Place::Output, &wrapped, replaces)?;
    Ok((Some(staged), wrapped))
}

fn new_store(own: Keypair, clients: &[PinnedClient]) -> Store {
    let mut store = Store::new(Role::Target, Own::new(own, None).to_bytes());
    for client in clients {
        client.put(&mut store);
    }
    store
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
        |(name, record): (&String, &Zeroizing<Vec<u8>>)| PinnedClient::of(store, name, record);
    let clients: Vec<_> = store.peers.iter().map(decode).collect::<Result<_, _>>()?;
    let mut keys = BTreeSet::new();
    for (key, _) in clients.iter().flat_map(PinnedClient::channels) {
        if !keys.insert(key) {
            return Err(Unfit::damaged("two of its clients have one key"));
        }
    }
    Ok(TargetKeys {
        own: Own::from_bytes(&store.own)?,
        former: renewal::former(store)?,
        late: renewal::late(store)?,
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
