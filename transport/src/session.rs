//! The live sessions of a responder: how many a key may have, and how they end when its pin goes.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::Instant;

use hpt_keystore::PublicKey;

use crate::allow::{AllowList, Pins};
use crate::local::{LocalKey, LocalKeys};
use crate::source::Source;

/// How many sessions a key may hold, and how fast it may open them (C2).
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Live sessions of one key.
    pub live: usize,
    /// New sessions a second of one key, in the long run.
    pub per_second: f64,
    /// New sessions of one key at once.
    pub burst: f64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            live: 64,
            per_second: 200.0,
            burst: 100.0,
        }
    }
}

/// Why an authenticated key gets no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoSession {
    #[error("its pin was removed while it shook hands")]
    Revoked,
    #[error("the key by which it knows this end went while it shook hands")]
    Former,
    #[error("its key holds as many sessions as a key may")]
    TooMany,
    #[error("its key opens sessions too fast")]
    TooFast,
}

/// All live sessions. Clones share them.
#[derive(Clone)]
pub(crate) struct Sessions {
    limits: SessionLimits,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    next: u64,
    keys: HashMap<PublicKey, Holder>,
}

/// What one key has.
struct Holder {
    live: Vec<Live>,
    tokens: f64,
    filled: Instant,
}

struct Live {
    id: u64,
    /// The key of this end that the other one knows.
    own: PublicKey,
    source: Source,
    revoke: oneshot::Sender<()>,
}

/// The place of one link among the live sessions; given back when dropped.
pub(crate) struct Session {
    sessions: Sessions,
    key: PublicKey,
    id: u64,
    revoked: oneshot::Receiver<()>,
}

impl Sessions {
    pub(crate) fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            table: Arc::default(),
        }
    }

    /// Opens a session for a key that has just proved itself to the owner of `own`.
    pub(crate) fn admit(
        &self,
        key: PublicKey,
        own: PublicKey,
        source: Source,
        (allow, locals): (&AllowList, &LocalKeys),
    ) -> Result<Session, NoSession> {
        let now = Instant::now();
        let mut table = self.lock();
        // Under the lock, so that a pin removed meanwhile is seen here or by `revoke`.
        if allow.now().find(key.as_bytes()).is_none() {
            return Err(NoSession::Revoked);
        }
        if !locals.has(&own) {
            return Err(NoSession::Former);
        }
        let id = table.next;
        table.next += 1;
        let holder = table.keys.entry(key).or_insert_with(|| Holder {
            live: Vec::new(),
            tokens: self.limits.burst,
            filled: now,
        });
        let earned = (now - holder.filled).as_secs_f64() * self.limits.per_second;
        holder.tokens = (holder.tokens + earned).min(self.limits.burst);
        holder.filled = now;
        if holder.live.len() >= self.limits.live {
            return Err(NoSession::TooMany);
        }
        if holder.tokens < 1.0 {
            return Err(NoSession::TooFast);
        }
        holder.tokens -= 1.0;
        let (revoke, revoked) = oneshot::channel();
        holder.live.push(Live {
            id,
            own,
            source,
            revoke,
        });
        Ok(Session {
            sessions: self.clone(),
            key,
            id,
            revoked,
        })
    }

    /// Closes every session of a key that is not among `pins` (R2).
    pub(crate) fn revoke(&self, pins: &Pins) {
        self.lock().keys.retain(|key, holder| {
            let pinned = pins.find(key.as_bytes()).is_some();
            if !pinned {
                for live in holder.live.drain(..) {
                    // A link that is gone already needs no closing.
                    let _ = live.revoke.send(());
                }
            }
            pinned
        });
    }

    /// Closes every session by a key that this end has no longer.
    pub(crate) fn forget(&self, locals: &[LocalKey]) {
        let is_gone = |live: &mut Live| locals.iter().all(|key| key.public() != live.own);
        for holder in self.lock().keys.values_mut() {
            for live in holder.live.extract_if(.., is_gone) {
                let _ = live.revoke.send(());
            }
        }
    }

    /// Whether this source holds a live session, which spares it penalties (C3).
    pub(crate) fn has(&self, source: Source) -> bool {
        self.lock()
            .keys
            .values()
            .any(|holder| holder.live.iter().any(|live| live.source == source))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table
            .lock()
            .expect("nothing panics while it holds the sessions")
    }
}

impl Session {
    /// Must not be asked again once it was.
    pub(crate) fn is_revoked(&mut self) -> bool {
        !matches!(self.revoked.try_recv(), Err(TryRecvError::Empty))
    }

    /// Ready when it is revoked; must not be polled again then.
    pub(crate) fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.revoked).poll(cx).map(|_| ())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(holder) = self.sessions.lock().keys.get_mut(&self.key) {
            holder.live.retain(|live| live.id != self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hpt_keystore::{Psk, SecretKey};

    use super::*;
    use crate::allow::Pin as KeyPin;

    const HERE: Source = Source::V4([192, 0, 2, 1]);

    fn pinned(keys: &[PublicKey]) -> Vec<KeyPin> {
        let pin = |key: &PublicKey| KeyPin {
            key: *key,
            psk: Psk::generate(),
        };
        keys.iter().map(pin).collect()
    }

    /// Two clients of one target.
    struct Bench {
        one: PublicKey,
        other: PublicKey,
        allow: AllowList,
        own: LocalKey,
        locals: LocalKeys,
        sessions: Sessions,
    }

    impl Bench {
        fn new() -> Self {
            let [one, other] = [(); 2].map(|()| SecretKey::generate().public());
            let own = LocalKey::new(SecretKey::generate());
            Self {
                one,
                other,
                allow: AllowList::new(pinned(&[one, other])),
                locals: own.clone().into(),
                own,
                sessions: Sessions::new(SessionLimits::default()),
            }
        }

        fn open(&self, key: PublicKey) -> Result<Session, NoSession> {
            let keys = (&self.allow, &self.locals);
            self.sessions.admit(key, self.own.public(), HERE, keys)
        }
    }

    /// C2: a burst of 100, then 200 a second; another key has its own.
    #[tokio::test(start_paused = true)]
    async fn a_key_opens_sessions_so_fast() {
        let bench = Bench::new();
        let open = |key| bench.open(key).map(drop);
        for _ in 0..100 {
            assert_eq!(open(bench.one), Ok(()));
        }
        assert_eq!(open(bench.one), Err(NoSession::TooFast));
        assert_eq!(open(bench.other), Ok(()));
        tokio::time::advance(Duration::from_secs(1) / 2).await;
        let opened = (0..200).take_while(|_| open(bench.one).is_ok()).count();
        assert_eq!(opened, 100);
        tokio::time::advance(Duration::from_millis(50)).await;
        let opened = (0..200).take_while(|_| open(bench.one).is_ok()).count();
        assert_eq!(opened, 10);
    }

    #[tokio::test]
    async fn a_place_comes_back_when_its_session_ends() {
        let bench = Bench::new();
        let mut held: Vec<_> = (0..64)
            .map(|_| bench.open(bench.one).ok().unwrap())
            .collect();
        let refused = bench.open(bench.one).map(drop);
        assert_eq!(refused, Err(NoSession::TooMany));
        assert!(bench.sessions.has(HERE));
        held.pop();
        assert!(bench.open(bench.one).is_ok());
        drop(held);
        assert!(!bench.sessions.has(HERE));
    }

    /// R2: the key that went loses its sessions, the one that stays does not.
    #[tokio::test]
    async fn revoking_hits_one_key() {
        let bench = Bench::new();
        let Bench {
            one, other, allow, ..
        } = &bench;
        let mut gone = bench.open(*one).ok().unwrap();
        let mut stays = bench.open(*other).ok().unwrap();
        allow.replace(pinned(&[*other]));
        bench.sessions.revoke(&allow.now());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(gone.poll_revoked(&mut cx).is_ready());
        assert!(stays.poll_revoked(&mut cx).is_pending());

        // A handshake that began before the pin went comes too late.
        let late = bench.open(*one).map(drop);
        assert_eq!(late, Err(NoSession::Revoked));

        // The old session's end does not touch one that the key has opened since.
        allow.replace(pinned(&[*one, *other]));
        let again = bench.open(*one).ok().unwrap();
        drop(gone);
        drop(stays);
        assert!(bench.sessions.has(HERE));
        drop(again);
        assert!(!bench.sessions.has(HERE));
    }

    /// R6: as long as an end has two keys, both have sessions.
    #[tokio::test]
    async fn sessions_end_with_the_key_of_this_end() {
        let mut bench = Bench::new();
        let mut former = bench.open(bench.one).ok().unwrap();
        let own = LocalKey::new(SecretKey::generate());
        let former_own = std::mem::replace(&mut bench.own, own.clone());
        bench.locals.replace(vec![own.clone(), former_own.clone()]);
        bench.sessions.forget(&bench.locals.now());
        let mut next = bench.open(bench.one).ok().unwrap();
        assert!(!former.is_revoked());
        bench.locals.replace(vec![own]);
        bench.sessions.forget(&bench.locals.now());
        assert!(former.is_revoked() && !next.is_revoked());
        bench.own = former_own;
        assert_eq!(bench.open(bench.one).map(drop), Err(NoSession::Former));
    }
}
