//! The client's keystore: its own keys, and the targets it knows.

mod create;
mod pins;
mod succession;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::identity::{Identity, Role};
use crate::key::Psk;
use crate::name::TargetName;
use crate::own::Own;
use crate::record::Pin;
use crate::store::{BEHIND, OLD, Store};
use crate::unfit::{LoadError, Unfit};

pub use create::{CreateError, create};
pub(crate) use pins::refuse_taken;
pub use pins::{PinError, RenameError, pin_target, remove, rename, renewed, set_address};
pub use succession::{Behind, begin, moved, settled};

/// All that a client's keystore holds. The file is closed again.
pub struct ClientKeys {
    /// Its own private keys.
    pub own: Own,
    /// Those that came before them, while there is a target that knows no others, by a number.
    pub old: BTreeMap<u32, Own>,
    /// The targets it has pinned, by name.
    pub targets: Vec<KnownTarget>,
    /// How many times the keystore was written.
    pub serial: u64,
}

/// A target as its client knows it.
pub struct KnownTarget {
    /// What the client calls it.
    pub name: TargetName,
    /// Its public keys.
    pub identity: Identity,
    /// What this pair alone shares.
    pub psk: Psk,
    /// Where it was last reached.
    pub address: Option<Address>,
    /// When it was pinned, in unix seconds.
    pub added_at: u64,
    /// How far it is with the client's new keys; `None` if it knows these alone.
    pub behind: Option<Behind>,
}

impl ClientKeys {
    /// The keys by which a target knows this client.
    #[must_use]
    pub fn known_to(&self, target: &KnownTarget) -> &Own {
        match target.behind {
            Some(Behind::Follows { old, .. }) => &self.old[&old],
            _ => &self.own,
        }
    }
}

impl KnownTarget {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let address = self.address.as_ref().map_or("", Address::as_str);
        Pin::encode(&self.identity, &self.psk, self.added_at, address)
    }

    fn of(store: &Store, name: &str, record: &[u8]) -> Result<Self, Unfit> {
        let behind = store.more(BEHIND, name);
        let behind = behind.map(Behind::decode).transpose()?;
        if let Some(Behind::Follows { old, .. }) = &behind
            && store.more(OLD, &old.to_string()).is_none()
        {
            return Err(Unfit::damaged("a target knows old keys that are not there"));
        }
        let name = TargetName::parse(name).map_err(|bad| Unfit::Damaged(bad.to_string()))?;
        let Pin {
            identity,
            psk,
            added_at,
            text,
        } = Pin::decode(record)?;
        let address = match text.as_str() {
            "" => None,
            text => Some(Address::parse(text).map_err(|_| Unfit::damaged("a pin has no address"))?),
        };
        Ok(Self {
            name,
            identity,
            psk,
            address,
            added_at,
            behind,
        })
    }

    /// What tells a person which pin this is.
    fn label(&self) -> Pinned {
        Pinned {
            name: self.name.clone(),
            fingerprint: self.identity.fingerprint(),
            added_at: self.added_at,
        }
    }
}

/// A pin that stands in the way, told apart by what a person can check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// What the client calls the target.
    pub name: TargetName,
    /// Of its keys.
    pub fingerprint: String,
    /// When it was pinned, in unix seconds.
    pub added_at: u64,
}

/// Why a target was not found.
#[derive(Debug, Error)]
pub enum FindError {
    /// The keystore could not be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It has no such target.
    #[error("{path}: no target is called {name}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: TargetName,
        /// The names that there are.
        known: Vec<TargetName>,
    },
}

/// Reads everything and lets the file go.
///
/// # Errors
/// [`LoadError`] when the file is unfit, damaged, of another schema or a target's.
pub fn load(path: &Path) -> Result<ClientKeys, LoadError> {
    let store = Store::load(path, Role::Client)?;
    keys_of(&store).map_err(Unfit::at(path))
}

/// The names of all targets, in order; their keys are not looked at.
///
/// # Errors
/// [`LoadError`] as [`load`].
pub fn names(path: &Path) -> Result<Vec<TargetName>, LoadError> {
    let store = Store::load(path, Role::Client)?;
    let names = store.peers.keys();
    Ok(names
        .filter_map(|name| TargetName::parse(name).ok())
        .collect())
}

pub(crate) fn keys_of(store: &Store) -> Result<ClientKeys, Unfit> {
    let decode =
        |(name, record): (&String, &Zeroizing<Vec<u8>>)| KnownTarget::of(store, name, record);
    let targets = store.peers.iter().map(decode).collect::<Result<_, _>>()?;
    Ok(ClientKeys {
        own: Own::from_bytes(&store.own)?,
        old: succession::old(store)?,
        targets,
        serial: store.serial,
    })
}

/// Reads the keys by which a target knows the client, and that target, in the time that one takes: 0.2 ms (1,000 targets
/// in the file: 0.7 ms).
///
/// # Errors
/// [`FindError::Unknown`] with the names there are; [`LoadError`] as [`load`].
pub fn load_target(path: &Path, name: &TargetName) -> Result<(Own, KnownTarget), FindError> {
    let store = Store::load(path, Role::Client)?;
    let target = find(path, &store, name)?;
    let own = match &target.behind {
        Some(Behind::Follows { old, .. }) => store.more(OLD, &old.to_string()),
        _ => None,
    };
    let own = Own::from_bytes(own.unwrap_or(&store.own)).map_err(Unfit::at(path))?;
    Ok((own, target))
}

fn find(path: &Path, store: &Store, name: &TargetName) -> Result<KnownTarget, FindError> {
    match store.peers.get(name.as_str()) {
        Some(record) => Ok(KnownTarget::of(store, name.as_str(), record).map_err(Unfit::at(path))?),
        None => Err(FindError::Unknown {
            path: path.to_owned(),
            name: name.clone(),
            known: store
                .peers
                .keys()
                .filter_map(|name| TargetName::parse(name).ok())
                .collect(),
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::file::Existing;
    use crate::identity::Keypair;

    pub(crate) struct Bench {
        _dir: tempfile::TempDir,
        pub(crate) path: PathBuf,
    }

    pub(crate) fn bench(names: &[&str]) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        create(&path, None, Existing::Keep).unwrap();
        for name in names {
            pin_target(&path, &known(name), Existing::Keep).unwrap();
        }
        Bench { _dir: dir, path }
    }

    pub(crate) fn name(text: &str) -> TargetName {
        TargetName::parse(text).unwrap()
    }

    pub(super) fn known(text: &str) -> KnownTarget {
        KnownTarget {
            name: name(text),
            identity: Keypair::generate().identity(),
            psk: Psk::generate(),
            address: None,
            added_at: 1_750_000_000,
            behind: None,
        }
    }

    pub(super) fn names(bench: &Bench) -> Vec<String> {
        let targets = load(&bench.path).unwrap().targets;
        targets
            .iter()
            .map(|target| target.name.to_string())
            .collect()
    }

    #[test]
    fn a_pin_returns_as_it_was_made() {
        let bench = bench(&["db1", "web1"]);
        let address = Address::parse("10.0.0.5:6632").unwrap();
        let pinned = KnownTarget {
            address: Some(address),
            ..known("web2")
        };
        pin_target(&bench.path, &pinned, Existing::Keep).unwrap();
        let (_, found) = load_target(&bench.path, &name("web2")).unwrap();
        assert_eq!(found.identity, pinned.identity);
        assert_eq!(found.psk.expose(), pinned.psk.expose());
        assert_eq!(
            (found.address, found.added_at),
            (pinned.address, pinned.added_at)
        );
        assert_eq!(names(&bench), ["db1", "web1", "web2"]);
        assert_eq!(load(&bench.path).unwrap().serial, 4);
    }

    #[test]
    fn an_unknown_name_comes_with_the_known_ones() {
        let bench = bench(&["db1", "web1"]);
        match load_target(&bench.path, &name("web")) {
            Err(FindError::Unknown { known, .. }) => {
                assert_eq!(known, [name("db1"), name("web1")]);
            }
            _ => panic!("there is no web"),
        }
        assert!(remove(&bench.path, &name("web")).is_err());
        assert!(set_address(&bench.path, &name("web"), None).is_err());
        assert!(rename(&bench.path, &name("web"), &name("web9")).is_err());
        assert_eq!(
            load(&bench.path).unwrap().serial,
            3,
            "what fails writes nothing"
        );
    }

    /// H8 at load: a pinned key of low order is refused, however it came into the file.
    #[test]
    fn a_bad_key_in_the_file_is_refused() {
        let bench = bench(&["web1"]);
        Store::update(&bench.path, Role::Client, |store| {
            store.peers.get_mut("web1").unwrap()[..32].fill(0);
            Ok::<_, LoadError>(())
        })
        .unwrap();
        let refused = load(&bench.path).err().unwrap().to_string();
        assert!(
            refused.contains("is damaged, in a pin, the public key is of low order"),
            "{refused}"
        );
        assert!(load_target(&bench.path, &name("web1")).is_err());
    }
}
