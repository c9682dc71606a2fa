//! One connection from accept to authenticated link, and the record of those that fail (H3-H7).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::allow::AllowList;
use crate::half_open::{HalfOpen, HalfOpenLimits, Place};
use crate::handshake::{BadHello, CONFIRM, ExpectHello};
use crate::idle::Accepted;
use crate::link::Link;
use crate::local::LocalKeys;
use crate::penalty::{Offence, Penalties, Record};
use crate::quiet::Quiet;
use crate::seen::Seen;
use crate::session::{NoSession, SessionLimits, Sessions};
use crate::source::Source;
use crate::wire::{HELLO, LENGTH, Prologue};

/// How much strangers, and keys, may ask of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From accept to the first authenticated record, whatever trickles in between (H4).
    pub deadline: Duration,
    /// Connections that are not authenticated yet.
    pub half_open: HalfOpenLimits,
    /// What misbehaving costs a source.
    pub penalties: Penalties,
    /// Sessions of one key.
    pub sessions: SessionLimits,
    /// How long a session may last in which no call runs (C2).
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            half_open: HalfOpenLimits::default(),
            penalties: Penalties::default(),
            sessions: SessionLimits::default(),
            idle: Duration::from_mins(15),
        }
    }
}

/// A connection that came to nothing.
#[derive(Debug, Clone)]
pub struct TurnedAway {
    /// Where it came from: an IPv4 address or an IPv6 /64.
    pub source: String,
    /// Why.
    pub why: String,
    /// How many more of this source were not spoken of since the last.
    pub unsaid: u64,
}

/// Is told of those that are turned away, at most once a second for each source (L4).
pub type Tell = Arc<dyn Fn(TurnedAway) + Send + Sync>;

/// Where authenticated links go.
pub(crate) type Links = mpsc::Sender<Link<Accepted>>;

/// What every connection of a listener shares.
#[derive(Clone)]
pub(crate) struct Door {
    locals: LocalKeys,
    allow: AllowList,
    deadline: Duration,
    half_open: HalfOpen,
    sessions: Sessions,
    idle: Duration,
    tell: Tell,
    ledger: Arc<Mutex<Ledger>>,
}

/// What is remembered about sources, and of their hellos.
struct Ledger {
    offences: Record,
    quiet: Quiet<Source>,
    seen: Seen,
}

/// Why a connection came to nothing. The log is told; the peer is not.
#[derive(Debug, Error)]
enum Refusal {
    #[error("it is shut out for a while, for what it did before")]
    ShutOut,
    #[error("too many connections have not authenticated yet")]
    Crowded,
    #[error("it left before it had authenticated")]
    Left,
    #[error("it had to make room under load")]
    Evicted,
    #[error("it did not authenticate in time")]
    Late,
    #[error("{0}")]
    BadHello(#[from] BadHello),
    #[error("{0}")]
    NoSession(#[from] NoSession),
}

impl Refusal {
    fn offence(&self) -> Option<Offence> {
        match self {
            Self::Left | Self::Evicted => Some(Offence::Silent),
            Self::Late => Some(Offence::Late),
            Self::BadHello(_) => Some(Offence::Failed),
            Self::ShutOut | Self::Crowded | Self::NoSession(_) => None,
        }
    }
}

impl Door {
    pub(crate) fn new(locals: LocalKeys, allow: AllowList, limits: Limits, tell: Tell) -> Self {
        Self {
            locals,
            allow,
            deadline: limits.deadline,
            half_open: HalfOpen::new(limits.half_open),
            sessions: Sessions::new(limits.sessions),
            idle: limits.idle,
            tell,
            ledger: Arc::new(Mutex::new(Ledger {
                offences: Record::new(limits.penalties),
                quiet: Quiet::new(),
                seen: Seen::default(),
            })),
        }
    }

    /// Closes sessions whose pin is gone (R2), or the key of this end by which they are, until the last
    /// clone of either list is.
    pub(crate) fn spawn_revoker(&self) {
        let mut pins = self.allow.watch();
        let sessions = self.sessions.clone();
        tokio::spawn(async move {
            while pins.changed().await.is_ok() {
                let pins = Arc::clone(&pins.borrow_and_update());
                sessions.revoke(&pins);
            }
        });
        let mut own = self.locals.watch();
        let sessions = self.sessions.clone();
        tokio::spawn(async move {
            while own.changed().await.is_ok() {
                let own = Arc::clone(&own.borrow_and_update());
                sessions.forget(&own);
            }
        });
    }

    /// A place among the half-open connections, unless its source or the crowd forbids.
    pub(crate) fn admit(&self, from: SocketAddr) -> Option<Place> {
        let (now, source) = (Instant::now(), Source::from(from.ip()));
        let shut_out = self.ledger().offences.shuts_out(source, now);
        if shut_out && !self.sessions.has(source) {
            self.refuse(source, &Refusal::ShutOut);
            return None;
        }
        let place = self.half_open.admit(source, now, draw());
        if place.is_none() {
            self.refuse(source, &Refusal::Crowded);
        }
        place
    }

    /// Shakes hands, and passes the link on or keeps record of why there is none.
    pub(crate) async fn greet(self, stream: TcpStream, place: Place, links: Links) {
        let source = place.source();
        let _watch = CrashWatch {
            door: &self,
            source,
        };
        let deadline = place.since() + self.deadline;
        let shaken = timeout_at(deadline, self.shake(stream, &place)).await;
        match shaken.unwrap_or(Err(Refusal::Late)) {
            Ok(link) => {
                place.authenticated();
                tracing::debug!("{source} authenticated");
                // Fails when the server above is gone, and the link with it.
                let _ = links.send(link).await;
            }
            Err(refusal) => self.refuse(source, &refusal),
        }
    }

    async fn shake(&self, mut stream: TcpStream, place: &Place) -> Result<Link<Accepted>, Refusal> {
        let mut hello = [0; HELLO];
        tokio::select! {
            biased;
            read = stream.read_exact(&mut hello) => read.map_err(|_| Refusal::Left)?,
            () = place.evicted() => return Err(Refusal::Evicted),
        };
        let expect = ExpectHello::new(self.locals.now(), Prologue::CLIENT_RPC);
        let proven = expect.check(&hello)?;
        let mark = proven.mark();
        if self.ledger().seen.contains(&mark) {
            return Err(BadHello::Replay.into());
        }
        let (expect, reply) = proven.answer(&self.allow.now())?;
        self.ledger().seen.insert(mark);
        stream.set_nodelay(true).map_err(|_| Refusal::Left)?;
        stream.write_all(&reply).await.map_err(|_| Refusal::Left)?;

        let mut record = [0; LENGTH + CONFIRM];
        stream
            .read_exact(&mut record)
            .await
            .map_err(|_| Refusal::Left)?;
        let (length, confirm) = record.split_at(LENGTH);
        let confirm = confirm.try_into().expect("what is left of the record");
        if length != [0, 16] {
            return Err(BadHello::Noise.into());
        }
        let established = expect.read(confirm)?;
        let session = self.sessions.admit(
            established.peer,
            established.own,
            place.source(),
            (&self.allow, &self.locals),
        )?;
        let accepted = Accepted::new(stream, self.idle);
        Ok(Link::new(accepted, established, Some(session)))
    }

    fn refuse(&self, source: Source, refusal: &Refusal) {
        let now = Instant::now();
        let mut ledger = self.ledger();
        if let Some(offence) = refusal.offence() {
            ledger.offences.punish(source, offence, now);
        }
        if let Some(unsaid) = ledger.quiet.may_say(source, now) {
            drop(ledger);
            tracing::info!(unsaid, "refused {source}: {refusal}");
            (self.tell)(TurnedAway {
                source: source.to_string(),
                why: refusal.to_string(),
                unsaid,
            });
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger
            .lock()
            .expect("nothing panics while it holds the ledger")
    }
}

/// Charges its source when the task that holds it panics (C3, C4).
struct CrashWatch<'a> {
    door: &'a Door,
    source: Source,
}

impl Drop for CrashWatch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let now = Instant::now();
            self.door
                .ledger()
                .offences
                .punish(self.source, Offence::Crash, now);
        }
    }
}

/// A lot from 0 to 1.
fn draw() -> f64 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.0, // without randomness nobody could shake hands anyway
    }
}

#[cfg(test)]
mod tests {
    use hpt_keystore::SecretKey;

    use super::*;

    /// C3, C4: a panic ends its own task, and costs the source that caused it.
    #[tokio::test]
    async fn a_panic_is_charged_to_its_source() {
        let door = Door::new(
            crate::LocalKey::new(SecretKey::generate()).into(),
            AllowList::new(vec![]),
            Limits::default(),
            Arc::new(|_| ()),
        );
        let source = Source::V4([192, 0, 2, 1]);
        let task = door.clone();
        let ended = tokio::spawn(async move {
            let _watch = CrashWatch {
                door: &task,
                source,
            };
            panic!("a bug");
        });
        assert!(ended.await.unwrap_err().is_panic());
        let now = Instant::now();
        let ledger = door.ledger();
        assert!(ledger.offences.shuts_out(source, now));
        assert!(!ledger.offences.shuts_out(Source::V4([192, 0, 2, 2]), now));
    }
}
