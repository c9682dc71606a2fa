//! The keys that follow those of a client: let in beside them, and instead of them once they were used (R1).

use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{PinnedClient, TargetKeys, keys_of};
use crate::identity::{Identity, Role};
use crate::key::{Psk, PublicKey};
use crate::name::ClientName;
use crate::own::Own;
use crate::record::Pin;
use crate::store::Store;
use crate::unfit::{LoadError, Unfit};

/// The keys that follow those of a client.
pub struct Successor {
    /// The public ones.
    pub identity: Identity,
    /// What the pair is to share under them.
    pub psk: Psk,
    /// When they were named, in unix seconds.
    pub added_at: u64,
}

impl Successor {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        Pin::encode(&self.identity, &self.psk, self.added_at, "")
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, Unfit> {
        let Pin {
            identity,
            psk,
            added_at,
            ..
        } = Pin::decode(row)?;
        Ok(Self {
            identity,
            psk,
            added_at,
        })
    }
}

/// Why keys do not follow others.
#[derive(Debug, Error)]
pub enum SucceedError {
    /// The keystore could not be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Whoever asks is not pinned any more.
    #[error("{path}: these keys are not pinned")]
    NotPinned {
        /// The file.
        path: std::path::PathBuf,
    },
    /// Whoever holds the client's channel key need not hold the other.
    #[error("the client has not signed for these keys")]
    Signature,
    /// The keys are pinned as another client's.
    #[error("these keys are already pinned as {name}")]
    SameKey {
        /// The name they have.
        name: ClientName,
    },
}

/// What the holder of some keys signs to have others follow them at a target.
#[must_use]
pub fn statement(target: &Identity, next: &Identity) -> Vec<u8> {
    [b"hpt1 succession", &target.to_bytes()[..], &next.to_bytes()].concat()
}

/// Has the client that holds the key `of` be known by these keys as well, from now on; its signing key has
/// signed the [`statement`] of that. Those that were named before and never used are forgotten.
///
/// # Errors
/// [`SucceedError::SameKey`] when another client has them, [`SucceedError::Signature`] when the client has
/// not signed for them.
pub fn succeed(
    path: &Path,
    of: &PublicKey,
    next: Successor,
    signature: &[u8; 64],
) -> Result<ClientName, SucceedError> {
    Store::update(path, Role::Target, |store| {
        let TargetKeys {
            own,
            former,
            clients,
            ..
        } = keys_of(store).map_err(Unfit::at(path))?;
        let key = next.identity.channel;
        let has = |client: &PinnedClient, key| client.channels().any(|(own, _)| own == key);
        if let Some(other) = clients
            .iter()
            .find(|client| has(client, key) && !has(client, *of))
        {
            let name = other.name.clone();
            return Err(SucceedError::SameKey { name });
        }
        let mut client = find(path, clients, of)?;
        client.settle(of);
        // The client may know this target by the keys that it had before.
        let signer = client.identity.signing;
        let has_signed = |own: &Own| {
            let said = statement(&own.identity(), &next.identity);
            signer.verify(&said, signature).is_ok()
        };
        if !former.iter().chain([&own]).any(has_signed) {
            return Err(SucceedError::Signature);
        }
        if client.identity.channel != key {
            client.next = Some(next);
        }
        client.put(store);
        Ok(client.name)
    })
}

/// Notes that the client has come by the key `of`: what it had before is let in no longer. Whether that
/// changes anything.
///
/// # Errors
/// [`SucceedError::NotPinned`] when nobody has that key.
pub fn settle(path: &Path, of: &PublicKey) -> Result<bool, SucceedError> {
    Store::update(path, Role::Target, |store| {
        let clients = keys_of(store).map_err(Unfit::at(path))?.clients;
        let mut client = find(path, clients, of)?;
        let changes = client.settle(of);
        client.put(store);
        Ok(changes)
    })
}

fn find(
    path: &Path,
    clients: Vec<PinnedClient>,
    key: &PublicKey,
) -> Result<PinnedClient, SucceedError> {
    let mut clients = clients.into_iter();
    let found = clients.find(|client| client.channels().any(|(own, _)| own == *key));
    found.ok_or_else(|| SucceedError::NotPinned {
        path: path.to_owned(),
    })
}

impl PinnedClient {
    /// Puts its next keys in the place of those that it has, if it came by them.
    fn settle(&mut self, came_by: &PublicKey) -> bool {
        match self.next.take_if(|next| next.identity.channel == *came_by) {
            Some(next) => {
                (self.identity, self.psk, self.added_at) = (next.identity, next.psk, next.added_at);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Existing;
    use crate::grant::Grants;
    use crate::identity::Keypair;
    use crate::target::{load, write_new};

    struct Bench {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
        own: Identity,
        first: Keypair,
    }

    fn client(name: &str, keys: &Keypair) -> PinnedClient {
        PinnedClient {
            name: ClientName::parse(name).unwrap(),
            identity: keys.identity(),
            psk: Psk::generate(),
            grants: Grants::parse("status plan").unwrap(),
            added_at: 5,
            until: Some(9),
            next: None,
        }
    }

    fn bench() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let (own, first) = (Keypair::generate(), Keypair::generate());
        let laptop = client("laptop", &first);
        let desk = client("desk", &Keypair::generate());
        let identity = own.identity();
        write_new(&path, own, &[laptop, desk], Existing::Keep).unwrap();
        Bench {
            _dir: dir,
            path,
            own: identity,
            first,
        }
    }

    fn next(keys: &Keypair) -> Successor {
        Successor {
            identity: keys.identity(),
            psk: Psk::generate(),
            added_at: 6,
        }
    }

    impl Bench {
        /// What the holder of `of` asks for who has `next` by now.
        fn succeed(&self, of: &Keypair, next: Successor) -> Result<ClientName, SucceedError> {
            let said = statement(&self.own, &next.identity);
            let signature = of.signing.sign(&said);
            succeed(&self.path, &of.channel.public(), next, &signature)
        }

        fn laptop(&self) -> PinnedClient {
            load(&self.path).unwrap().clients.pop().unwrap()
        }

        fn let_in(&self) -> Vec<PublicKey> {
            let laptop = self.laptop();
            laptop.channels().map(|(key, _)| key).collect()
        }
    }

    /// Both are let in until the new ones were used; then these alone, with all that the client had.
    #[test]
    fn new_keys_come_beside_the_old_and_then_instead() {
        let bench = bench();
        let new = Keypair::generate();
        let (old, key) = (bench.first.channel.public(), new.channel.public());
        let named = bench.succeed(&bench.first, next(&new)).unwrap();
        assert_eq!(named.as_str(), "laptop");
        assert_eq!(bench.let_in(), [old, key]);
        let came_by_old = settle(&bench.path, &old).unwrap();
        assert!(!came_by_old && bench.let_in() == [old, key]);
        assert!(settle(&bench.path, &key).unwrap());
        assert!(!settle(&bench.path, &key).unwrap());
        let laptop = bench.laptop();
        assert_eq!(bench.let_in(), [key]);
        assert_eq!((laptop.added_at, laptop.until), (6, Some(9)));
        assert_eq!(laptop.grants.to_string(), "status plan");
        assert!(matches!(
            settle(&bench.path, &old),
            Err(SucceedError::NotPinned { .. })
        ));
    }

    /// Keys that were named and never used give way; those that were used settle by naming others.
    #[test]
    fn a_chain_is_never_longer_than_two() {
        let bench = bench();
        let keys = [(); 3].map(|()| Keypair::generate());
        let public = keys.each_ref().map(|keys| keys.channel.public());
        let old = bench.first.channel.public();
        bench.succeed(&bench.first, next(&keys[0])).unwrap();
        bench.succeed(&bench.first, next(&keys[1])).unwrap();
        assert_eq!(bench.let_in(), [old, public[1]]);
        bench.succeed(&keys[1], next(&keys[2])).unwrap();
        assert_eq!(bench.let_in(), [public[1], public[2]]);
        bench.succeed(&keys[1], next(&keys[1])).unwrap();
        assert_eq!(bench.let_in(), [public[1], public[2]], "it has these");
    }

    #[test]
    fn nobody_else_can_say_what_follows() {
        let bench = bench();
        let (new, stranger) = (Keypair::generate(), Keypair::generate());
        let desk = load(&bench.path).unwrap().clients.swap_remove(0);
        let taken = Successor {
            identity: desk.identity,
            ..next(&new)
        };
        let refused = bench.succeed(&bench.first, taken);
        assert!(matches!(refused, Err(SucceedError::SameKey { name }) if name == desk.name));
        let refused = bench.succeed(&stranger, next(&new));
        assert!(matches!(refused, Err(SucceedError::NotPinned { .. })));
        // The channel key alone, as a thief may have it; and a statement for another target.
        let thief = Keypair {
            channel: crate::SecretKey::from_bytes((*bench.first.channel.expose()).into()),
            signing: crate::SigningKey::generate(),
        };
        let refused = bench.succeed(&thief, next(&new));
        assert!(matches!(refused, Err(SucceedError::Signature)));
        let elsewhere = statement(&stranger.identity(), &new.identity());
        let signature = bench.first.signing.sign(&elsewhere);
        let of = bench.first.channel.public();
        let refused = succeed(&bench.path, &of, next(&new), &signature);
        assert!(matches!(refused, Err(SucceedError::Signature)));
        assert_eq!(bench.let_in(), [of]);
    }
}
