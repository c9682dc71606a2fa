//! This client's new keys, told to a target: over the old ones, then proved by a session of their own, and only
//! then instead of the old ones (R1). Whatever breaks off can be done again.

use std::path::Path;
use std::sync::Arc;

use hpt_keystore::{Identity, Psk, TargetName, client};
use hpt_transport::LocalKey;

use crate::context::now;
use crate::error::CommandError;

/// The keys that a target is to know.
pub(crate) struct Next {
    pub(crate) key: LocalKey,
    pub(crate) identity: Identity,
    /// What the pair is to share under them.
    pub(crate) psk: Arc<Psk>,
    /// By the keys that they follow.
    pub(crate) signature: [u8; 64],
}

/// A target, as far as it has a part in this.
pub(crate) trait Contact {
    /// Over a session of the old keys: it is to know these as well.
    async fn succeed(&mut self, next: &Next) -> Result<(), CommandError>;
    /// A session of the new keys, in which it answers.
    async fn prove(&mut self, next: &Next) -> Result<(), CommandError>;
    /// Over that session: it is to know the old ones no longer.
    async fn settle(&mut self) -> Result<(), CommandError>;
}

/// Has a target follow. Afterwards it is reached by the new keys, unless this fails before it has proved to
/// know them.
pub(crate) async fn follow(
    target: &mut impl Contact,
    keystore: &Path,
    name: &TargetName,
    next: &Next,
) -> Result<(), CommandError> {
    target.succeed(next).await?;
    target.prove(next).await?;
    // Before the old ones go: from here on they might be strangers.
    client::moved(keystore, name, now())?;
    settle(target, keystore, name).await
}

/// Has one that knows the new keys forget the old ones.
pub(crate) async fn settle(
    target: &mut impl Contact,
    keystore: &Path,
    name: &TargetName,
) -> Result<(), CommandError> {
    target.settle().await?;
    client::settled(keystore, name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::PathBuf;
    use std::pin::pin;
    use std::task::{Context as Waker, Poll};

    use hpt_keystore::client::{Behind, KnownTarget};
    use hpt_keystore::target::{self, PinnedClient, Successor, statement};
    use hpt_keystore::{ClientName, Existing, Grants, Keypair, PublicKey};

    use super::*;
    use crate::error::Exit;

    const TARGETS: usize = 20;
    const DOWN: usize = 6;
    /// Half a second each; the whole was run with 500.
    const SCHEDULES: u64 = 20;

    /// What happens next, from a seed (xorshift64).
    struct Dice(Cell<u64>);

    impl Dice {
        fn roll(&self, below: u64) -> u64 {
            let mut x = self.0.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            self.0.set(x);
            x % below
        }
    }

    /// A network over which calls are lost on their way, there or back, and in which whoever calls may be
    /// killed at each step. The keystores at both ends are real ones, changed by what changes them in use.
    struct Wire<'a> {
        dice: &'a Dice,
        keystore: PathBuf,
        own: Identity,
        /// By which key the session is that there is.
        key: RefCell<PublicKey>,
        is_up: bool,
    }

    impl Wire<'_> {
        /// A call that the target answers, if it knows the key.
        async fn call<T>(&self, act: impl FnOnce(&PublicKey) -> T) -> Result<T, CommandError> {
            let lost = || CommandError::new(Exit::Unreachable, "lost");
            self.may_die().await;
            let key = *self.key.borrow();
            let known = target::load(&self.keystore).unwrap();
            if !self.is_up || self.dice.roll(8) == 0 || known.client(&key).is_none() {
                return Err(lost());
            }
            let done = act(&key);
            self.may_die().await;
            if self.dice.roll(8) == 0 {
                return Err(lost());
            }
            Ok(done)
        }

        /// Whoever waits here is killed, once in a while: nobody goes on with it.
        async fn may_die(&self) {
            if self.dice.roll(12) == 0 {
                std::future::pending::<()>().await;
            }
        }
    }

    impl Contact for Wire<'_> {
        async fn succeed(&mut self, next: &Next) -> Result<(), CommandError> {
            let successor = Successor {
                identity: next.identity,
                psk: Psk::from_bytes((*next.psk.expose()).into()),
                added_at: 1,
            };
            let signature = next.signature;
            let keystore = self.keystore.clone();
            let call = self.call(|key| target::succeed(&keystore, key, successor, &signature));
            call.await?
                .map(drop)
                .map_err(|error| CommandError::new(Exit::Failed, error))
        }

        async fn prove(&mut self, next: &Next) -> Result<(), CommandError> {
            *self.key.borrow_mut() = next.identity.channel;
            self.call(|_| ()).await
        }

        async fn settle(&mut self) -> Result<(), CommandError> {
            let keystore = self.keystore.clone();
            let call = self.call(|key| target::settle(&keystore, key));
            call.await?
                .map(drop)
                .map_err(|error| CommandError::new(Exit::Failed, error))
        }
    }

    struct Bench {
        dir: tempfile::TempDir,
        own: Vec<Identity>,
        /// Every key that the client has ever had.
        keys: RefCell<Vec<PublicKey>>,
    }

    fn name(at: usize) -> TargetName {
        TargetName::parse(&format!("t{at}")).unwrap()
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
            let dir = dir.unwrap();
            let keystore = dir.path().join("client.db");
            let client = client::create(&keystore, None, Existing::Keep).unwrap();
            let mut own = Vec::new();
            for at in 0..TARGETS {
                let (keys, psk) = (Keypair::generate(), Psk::generate());
                own.push(keys.identity());
                let pinned = PinnedClient {
                    name: ClientName::parse("laptop").unwrap(),
                    identity: client,
                    psk: Psk::from_bytes((*psk.expose()).into()),
                    grants: Grants::all(),
                    added_at: 0,
                    until: None,
                    next: None,
                };
                let known = KnownTarget {
                    name: name(at),
                    identity: keys.identity(),
                    psk,
                    address: None,
                    added_at: 0,
                    behind: None,
                };
                client::pin_target(&keystore, &known, Existing::Keep).unwrap();
                let there = dir.path().join(format!("t{at}.db"));
                target::write_new(&there, keys, &[pinned], Existing::Keep).unwrap();
            }
            let keys = RefCell::new(vec![client.channel]);
            Self { dir, own, keys }
        }

        fn client(&self) -> PathBuf {
            self.dir.path().join("client.db")
        }

        fn target(&self, at: usize) -> PathBuf {
            self.dir.path().join(format!("t{at}.db"))
        }

        fn begin(&self) {
            let new = client::begin(&self.client(), None).ok().unwrap();
            self.keys.borrow_mut().push(new.channel);
        }

        /// One contact with a target, to its end or until whoever makes it is killed.
        fn contact(&self, at: usize, is_up: bool, dice: &Dice) {
            let keys = client::load(&self.client()).unwrap();
            let mut targets = keys.targets.iter();
            let known = targets.find(|target| target.name == name(at)).unwrap();
            let Ok(key) = open(keys.known_to(known)) else {
                panic!("its keys are open")
            };
            let mut wire = Wire {
                dice,
                keystore: self.target(at),
                own: self.own[at],
                key: RefCell::new(key.channel.public()),
                is_up,
            };
            let path = self.client();
            let name = name(at);
            let next = match &known.behind {
                None => return,
                Some(Behind::Unsettled) => None,
                Some(Behind::Follows { psk, .. }) => Some(Next {
                    key: LocalKey::new(open(&keys.own).unwrap().channel),
                    identity: keys.own.identity(),
                    psk: Arc::new(Psk::from_bytes((*psk.expose()).into())),
                    signature: key
                        .signing
                        .sign(&statement(&wire.own, &keys.own.identity())),
                }),
            };
            let act = async {
                match &next {
                    Some(next) => follow(&mut wire, &path, &name, next).await,
                    None => settle(&mut wire, &path, &name).await,
                }
            };
            let mut act = pin!(act);
            // It waits for nothing but its death.
            let mut waker = Waker::from_waker(std::task::Waker::noop());
            match act.as_mut().poll(&mut waker) {
                Poll::Ready(Ok(()) | Err(_)) | Poll::Pending => {}
            }
        }

        /// R1: the client has a key that the target knows, with the secret that they share, and the target
        /// knows no key but the client's.
        fn check(&self, at: usize) {
            let keys = client::load(&self.client()).unwrap();
            let mut targets = keys.targets.iter();
            let known = targets.find(|target| target.name == name(at)).unwrap();
            let there = target::load(&self.target(at)).unwrap();
            let [pinned] = &there.clients[..] else {
                panic!("one client")
            };
            let key = keys.known_to(known).identity().channel;
            let shared = pinned.channels().find(|(own, _)| *own == key);
            let (_, psk) = shared.expect("the client has a key that the target knows");
            assert_eq!(psk.expose(), known.psk.expose(), "and what they share");
            let listed = self.keys.borrow();
            assert!(pinned.channels().all(|(key, _)| listed.contains(&key)));
        }

        fn is_done(&self, at: usize) -> bool {
            let keys = client::load(&self.client()).unwrap();
            let mut targets = keys.targets.iter();
            let known = targets.find(|target| target.name == name(at)).unwrap();
            let there = target::load(&self.target(at)).unwrap();
            let pinned = &there.clients[0];
            known.behind.is_none()
                && pinned.next.is_none()
                && pinned.identity == keys.own.identity()
        }
    }

    fn open(own: &hpt_keystore::Own) -> Result<Keypair, ()> {
        match own {
            hpt_keystore::Own::Open(keys) => Ok(Keypair {
                channel: hpt_keystore::SecretKey::from_bytes((*keys.channel.expose()).into()),
                signing: hpt_keystore::SigningKey::from_bytes((*keys.signing.expose()).into()),
            }),
            hpt_keystore::Own::Sealed(_) => Err(()),
        }
    }

    fn schedule(seed: u64) {
        let bench = Bench::new();
        let dice = Dice(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        bench.begin();
        for step in 0..TARGETS * 2 {
            let at = usize::try_from(dice.roll(20)).unwrap();
            if step % 16 == 15 && dice.roll(2) == 0 {
                bench.begin();
            }
            bench.contact(at, at >= DOWN, &dice);
            bench.check(at);
        }
        (0..TARGETS).for_each(|at| bench.check(at));
        // Whoever goes on comes to the end, once all are up.
        for at in 0..TARGETS {
            let mut left = 200;
            while !bench.is_done(at) {
                bench.contact(at, true, &dice);
                left -= 1;
                assert!(left > 0, "t{at} never gets there");
            }
            bench.check(at);
        }
    }

    /// R1, over schedules of losses and kills.
    #[test]
    fn no_schedule_leaves_a_target_without_keys_that_it_knows() {
        for seed in 1..=SCHEDULES {
            eprintln!("seed {seed}");
            schedule(seed);
        }
    }
}
