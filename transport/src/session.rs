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

    /// Opens a session for a key that has just proved itself.
    pub(crate) fn admit(
        &self,
        key: PublicKey,
        source: Source,
        allow: &AllowList,
    ) -> Result<Session, NoSession> {
        let now = Instant::now();
        let mut table = self.lock();
        // Under the lock, so that a pin removed meanwhile is seen here or by `revoke`.
        if allow.now().find(key.as_bytes()).is_none() {
            return Err(NoSession::Revoked);
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
        holder.live.push(Live { id, source, revoke });
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

    fn keys() -> (PublicKey, PublicKey, AllowList) {
        let [one, other] = [(); 2].map(|()| SecretKey::generate().public());
        (one, other, AllowList::new(pinned(&[one, other])))
    }

    /// C2: a burst of 100, then 200 a second; another key has its own.
    #[tokio::test(start_paused = true)]
    async fn a_key_opens_sessions_so_fast() {
        let (one, other, allow) = keys();
        let sessions = Sessions::new(SessionLimits::default());
        let open = |key| sessions.admit(key, HERE, &allow).map(drop);
        for _ in 0..100 {
            assert_eq!(open(one), Ok(()));
        }
        assert_eq!(open(one), Err(NoSession::TooFast));
        assert_eq!(open(other), Ok(()));
        tokio::time::advance(Duration::from_secs(1) / 2).await;
        let opened = (0..200).take_while(|_| open(one).is_ok()).count();
        assert_eq!(opened, 100);
        tokio::time::advance(Duration::from_millis(50)).await;
        let opened = (0..200).take_while(|_| open(one).is_ok()).count();
        assert_eq!(opened, 10);
    }

    #[tokio::test]
    async fn a_place_comes_back_when_its_session_ends() {
        let (one, _, allow) = keys();
        let sessions = Sessions::new(SessionLimits::default());
        let mut held: Vec<_> = (0..64)
            .map(|_| sessions.admit(one, HERE, &allow).ok().unwrap())
            .collect();
        let refused = sessions.admit(one, HERE, &allow).map(drop);
        assert_eq!(refused, Err(NoSession::TooMany));
        assert!(sessions.has(HERE));
        held.pop();
        assert!(sessions.admit(one, HERE, &allow).is_ok());
        drop(held);
        assert!(!sessions.has(HERE));
    }

    /// R2: the key that went loses its sessions, the one that stays does not.
    #[tokio::test]
    async fn revoking_hits_one_key() {
        let (one, other, allow) = keys();
        let sessions = Sessions::new(SessionLimits::default());
        let mut gone = sessions.admit(one, HERE, &allow).ok().unwrap();
        let mut stays = sessions.admit(other, HERE, &allow).ok().unwrap();
        allow.replace(pinned(&[other]));
        sessions.revoke(&allow.now());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(gone.poll_revoked(&mut cx).is_ready());
        assert!(stays.poll_revoked(&mut cx).is_pending());

        // A handshake that began before the pin went comes too late.
        let late = sessions.admit(one, HERE, &allow).map(drop);
        assert_eq!(late, Err(NoSession::Revoked));

        // The old session's end does not touch one that the key has opened since.
        allow.replace(pinned(&[one, other]));
        let again = sessions.admit(one, HERE, &allow).ok().unwrap();
        drop(gone);
        drop(stays);
        assert!(sessions.has(HERE));
        drop(again);
        assert!(!sessions.has(HERE));
    }
}
