//! New keys for a target: it answers to the former ones as well until all its clients have followed (R6).

use std::collections::BTreeSet;
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{PinnedClient, keys_of};
use crate::identity::{Identity, Keypair, Role};
use crate::key::PublicKey;
use crate::name::ClientName;
use crate::own::Own;
use crate::passphrase::{Passphrase, PassphraseError};
use crate::signing::BadSignature;
use crate::store::{FORMER, LATE, Store};
use crate::unfit::{LoadError, Unfit};

/// A target's new keys, as a client is told of them that has pinned the former ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The new public keys.
    pub identity: Identity,
    /// By the former signing key, over the words that belong to both.
    pub signature: [u8; 64],
}

/// Why a target has no new keys.
#[derive(Debug, Error)]
pub enum RenewError {
    /// The keystore could not be read or written, or its keys not opened.
    #[error(transparent)]
    Own(#[from] PassphraseError),
    /// Its last ones are as new to these clients.
    #[error("its keys are new already, and not all of its clients have followed")]
    Late {
        /// Who may know none but the former ones.
        clients: BTreeSet<ClientName>,
    },
}

impl From<LoadError> for RenewError {
    fn from(error: LoadError) -> Self {
        Self::Own(error.into())
    }
}

impl Renewal {
    /// From the keys that a target had to those that it has.
    #[must_use]
    pub fn new(former: &Keypair, next: Identity) -> Self {
        let said = statement(&former.identity(), &next);
        Self {
            identity: next,
            signature: former.signing.sign(&said),
        }
    }

    /// Whether the target with these keys has said so.
    ///
    /// # Errors
    /// [`BadSignature`] if it has not.
    pub fn verify(&self, former: &Identity) -> Result<(), BadSignature> {
        let said = statement(former, &self.identity);
        former.signing.verify(&said, &self.signature)
    }
}

fn statement(former: &Identity, next: &Identity) -> Vec<u8> {
    [b"hpt1 renewal", &former.to_bytes()[..], &next.to_bytes()].concat()
}

/// Makes new keys for the target, under the same passphrase. From now on it answers to these and to those
/// that it had, and no client is known to have followed.
///
/// # Errors
/// [`RenewError::Late`] while there are former ones still.
pub fn renew(
    path: &Path,
    passphrase: Option<&Passphrase>,
    now: u64,
) -> Result<Identity, RenewError> {
    Store::update(path, Role::Target, |store| {
        release_ended(store, now).map_err(Unfit::at(path))?;
        let keys = keys_of(store).map_err(Unfit::at(path))?;
        if keys.former.is_some() {
            return Err(RenewError::Late { clients: keys.late });
        }
        let new = keys.own.anew(path, passphrase)?;
        let former = std::mem::replace(&mut store.own, new.to_bytes());
        store.set_more(FORMER, "", Some(former));
        for client in &keys.clients {
            set_late(store, &client.name, true);
        }
        drop_former(store);
        Ok(new.identity())
    })
}

/// Notes that the client with the key `by` has pinned the new keys, of which `own` is one: it has come by that.
/// The former ones go with the last of those whom this target lets in at this time. Whether `own` is a new key.
///
/// # Errors
/// [`LoadError`] when the keystore cannot be read or written.
pub fn followed(path: &Path, by: &PublicKey, own: &PublicKey, now: u64) -> Result<bool, LoadError> {
    Store::update(path, Role::Target, |store| {
        let keys = keys_of(store).map_err(Unfit::at(path))?;
        let is_new = keys.own.identity().channel == *own;
        let is_by = |client: &&PinnedClient| client.channels().any(|(key, _)| key == *by);
        if let Some(client) = keys.clients.iter().find(is_by).filter(|_| is_new) {
            set_late(store, &client.name, false);
        }
        release_ended(store, now).map_err(Unfit::at(path))?;
        Ok(is_new)
    })
}

/// Forgets the former keys if only clients are late whose pins have ended by now.
///
/// # Errors
/// [`LoadError`] when the keystore cannot be read or written.
pub fn release(path: &Path, now: u64) -> Result<(), LoadError> {
    Store::update(path, Role::Target, |store| {
        release_ended(store, now).map_err(Unfit::at(path))
    })
}

/// Waits no longer for those whose pins have ended.
fn release_ended(store: &mut Store, now: u64) -> Result<(), Unfit> {
    for client in keys_of(store)?.clients {
        if client.until.is_some_and(|until| until <= now) {
            set_late(store, &client.name, false);
        }
    }
    drop_former(store);
    Ok(())
}

/// Who may know none but the former keys.
pub(super) fn late(store: &Store) -> Result<BTreeSet<ClientName>, Unfit> {
    let names = store.more.keys().filter_map(|key| key.strip_prefix(LATE));
    let names = names.map(ClientName::parse).collect::<Result<_, _>>();
    names.map_err(|bad| Unfit::Damaged(bad.to_string()))
}

pub(super) fn former(store: &Store) -> Result<Option<Own>, Unfit> {
    store.more(FORMER, "").map(Own::from_bytes).transpose()
}

pub(super) fn set_late(store: &mut Store, name: &ClientName, is_late: bool) {
    let row = is_late.then(|| Zeroizing::new(Vec::new()));
    store.set_more(LATE, name.as_str(), row);
}

/// Forgets the former keys as soon as nobody is late.
pub(super) fn drop_former(store: &mut Store) {
    if !store.more.keys().any(|key| key.starts_with(LATE)) {
        store.set_more(FORMER, "", None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Existing;
    use crate::grant::Grants;
    use crate::key::Psk;
    use crate::target::{Lockout, TargetKeys, add_client, load, remove_client, write_new};

    fn client(name: &str, until: Option<u64>) -> PinnedClient {
        PinnedClient {
            name: ClientName::parse(name).unwrap(),
            identity: Keypair::generate().identity(),
            psk: Psk::generate(),
            grants: Grants::all(),
            added_at: 1,
            until,
            next: None,
        }
    }

    struct Bench {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
        first: Identity,
        keys: Vec<PublicKey>,
    }

    impl Bench {
        fn new(clients: &[PinnedClient]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("keystore.db");
            let own = Keypair::generate();
            let first = own.identity();
            write_new(&path, own, clients, Existing::Keep).unwrap();
            let keys = clients.iter().map(|client| client.identity.channel);
            Self {
                _dir: dir,
                path,
                first,
                keys: keys.collect(),
            }
        }

        fn followed(&self, at: usize, own: &Identity, now: u64) -> bool {
            followed(&self.path, &self.keys[at], &own.channel, now).unwrap()
        }

        fn load(&self) -> TargetKeys {
            load(&self.path).unwrap()
        }

        /// The former keys, and who is late.
        fn state(&self) -> (Option<Identity>, Vec<String>) {
            let keys = self.load();
            let late = keys.late.iter().map(ToString::to_string).collect();
            (keys.former.map(|own| own.identity()), late)
        }
    }

    #[test]
    fn former_keys_go_when_the_last_client_has_followed() {
        let bench = Bench::new(&[client("desk", None), client("laptop", None)]);
        let next = renew(&bench.path, None, 1).unwrap();
        assert_eq!(bench.load().own.identity(), next);
        let both = vec!["desk".to_owned(), "laptop".to_owned()];
        assert_eq!(bench.state(), (Some(bench.first), both));
        let again = renew(&bench.path, None, 1);
        assert!(matches!(again, Err(RenewError::Late { clients }) if clients.len() == 2));
        for _ in 0..2 {
            assert!(bench.followed(1, &next, 9));
            assert_eq!(bench.state(), (Some(bench.first), vec!["desk".to_owned()]));
        }
        // By a session of the former keys nobody has followed.
        assert!(!bench.followed(0, &bench.first, 9));
        assert!(bench.followed(0, &next, 9));
        assert_eq!(bench.state(), (None, vec![]));
        assert_ne!(renew(&bench.path, None, 1).unwrap(), next);
    }

    #[test]
    fn who_is_let_in_no_longer_is_not_waited_for_and_who_is_new_is() {
        let bench = Bench::new(&[client("desk", None), client("guest", Some(5))]);
        let next = renew(&bench.path, None, 1).unwrap();
        let new = client("new", None);
        add_client(&bench.path, &new, Existing::Keep, Lockout::Refuse).unwrap();
        assert!(bench.followed(0, &next, 5));
        // Whoever let it in may have told it of the former keys.
        assert_eq!(bench.state().1, ["new"]);
        remove_client(&bench.path, &new.name, Lockout::Refuse).unwrap();
        assert_eq!(bench.state(), (None, vec![]));

        // A pin ends when all the others have followed long ago.
        let bench = Bench::new(&[client("desk", None), client("guest", Some(5))]);
        let next = renew(&bench.path, None, 1).unwrap();
        assert!(bench.followed(0, &next, 1));
        release(&bench.path, 4).unwrap();
        assert_eq!(bench.state().1, ["guest"]);
        release(&bench.path, 5).unwrap();
        assert_eq!(bench.state(), (None, vec![]));
    }

    #[test]
    fn new_keys_are_said_by_the_former_ones() {
        let (former, other) = (Keypair::generate(), Keypair::generate());
        let renewal = Renewal::new(&former, Keypair::generate().identity());
        renewal.verify(&former.identity()).unwrap();
        assert!(renewal.verify(&other.identity()).is_err());
        let identity = other.identity();
        let turned = Renewal {
            identity,
            ..renewal
        };
        assert!(turned.verify(&former.identity()).is_err());
    }

    /// What a client does at each contact, step by step; whoever is killed begins again.
    enum Step {
        Rests,
        /// It was told of these keys, and has reached the target by them.
        Knows(Box<Identity>),
        /// It has pinned them.
        Pinned,
    }

    struct Client {
        pin: PinnedClient,
        /// The target's keys, as it has pinned them.
        target: Identity,
        step: Step,
    }

    /// An xorshift of 64 bits.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % below
        }
    }

    /// R6: however the steps of several clients fall, and whoever is killed between them, the target has the
    /// keys that each of them knows it by.
    #[test]
    fn no_schedule_leaves_a_client_with_keys_that_the_target_has_no_more() {
        for seed in 1..=40 {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let pins: Vec<_> = ["a", "b", "c"].map(|name| client(name, None)).into();
            let bench = Bench::new(&pins);
            let with = |target| {
                move |pin| Client {
                    pin,
                    target,
                    step: Step::Rests,
                }
            };
            let mut clients: Vec<_> = pins.into_iter().map(with(bench.first)).collect();
            let mut renewals = 0;
            for round in 0..60 {
                let at = dice.roll(clients.len());
                match dice.roll(12) {
                    0..=1 => match renew(&bench.path, None, 1) {
                        Ok(_) => renewals += 1,
                        Err(RenewError::Late { .. }) => {}
                        Err(error) => panic!("{error}"),
                    },
                    2 => clients[at].step = Step::Rests, // killed
                    3 if clients.len() < 5 => {
                        // Let in by another client, which tells it of the keys that it knows itself.
                        let target = clients[at].target;
                        let new = client(&format!("n{round}"), None);
                        add_client(&bench.path, &new, Existing::Keep, Lockout::Refuse).unwrap();
                        clients.push(with(target)(new));
                    }
                    4 if clients.len() > 2 => {
                        let gone = clients.remove(at).pin.name;
                        remove_client(&bench.path, &gone, Lockout::Refuse).unwrap();
                    }
                    _ => step(&mut clients[at], &bench),
                }
                let keys = bench.load();
                let former = keys.former.map(|own| own.identity());
                let has = |client: &Client| {
                    Some(client.target) == former || client.target == keys.own.identity()
                };
                assert!(clients.iter().all(has), "seed {seed}, round {round}");
            }
            assert!(renewals > 0, "seed {seed}");
            for client in &mut clients {
                (0..3).for_each(|_| step(client, &bench));
            }
            assert_eq!(
                bench.state(),
                (None, vec![]),
                "seed {seed}: it comes to an end"
            );
        }
    }

    fn step(client: &mut Client, bench: &Bench) {
        let keys = bench.load();
        let own = keys.own.identity();
        client.step = match std::mem::replace(&mut client.step, Step::Rests) {
            Step::Rests if keys.late.contains(&client.pin.name) => {
                let former = keys.former.unwrap().open(&bench.path, None).unwrap();
                let told = Renewal::new(&former, own);
                if client.target != own {
                    told.verify(&client.target).unwrap();
                }
                Step::Knows(Box::new(own))
            }
            Step::Rests => Step::Rests,
            Step::Knows(identity) => {
                client.target = *identity;
                Step::Pinned
            }
            Step::Pinned => {
                let by = &client.pin.identity.channel;
                followed(&bench.path, by, &client.target.channel, 1).unwrap();
                Step::Rests
            }
        };
    }
}
