//! What the server itself has to record: written beside its calls, and never more than it can write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hpt_transport::TurnedAway;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::audit::{Audit, Entry, Kind};
use crate::grants::Caller;

/// Records that wait to be written.
const WAITING: usize = 256;
/// How often it is recorded that one client asks for what it may not (L4).
const EVERY: Duration = Duration::from_secs(1);
/// How often it is recorded that somebody was turned away at the door, whoever it was: strangers have many
/// addresses, and must not be able to fill the disk.
const STRANGERS: Duration = Duration::from_secs(10);

/// Where the server's records go. Nobody waits for them; what is too much is counted.
pub(crate) struct Notes {
    entries: mpsc::Sender<Entry>,
    clock: fn() -> u64,
    dropped: AtomicU64,
    /// When each client was last told no, and how often since without a record.
    refused: Mutex<HashMap<String, (Instant, u64)>>,
    /// When somebody was last turned away, and how many since without a record.
    strangers: Mutex<Option<(Instant, u64)>>,
}

/// Writes them.
pub(crate) struct Writer {
    audit: Audit,
    entries: mpsc::Receiver<Entry>,
}

impl Notes {
    pub(crate) fn new(audit: Audit, clock: fn() -> u64) -> (Arc<Self>, Writer) {
        let (sender, entries) = mpsc::channel(WAITING);
        let notes = Self {
            entries: sender,
            clock,
            dropped: AtomicU64::new(0),
            refused: Mutex::default(),
            strangers: Mutex::default(),
        };
        (Arc::new(notes), Writer { audit, entries })
    }

    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(crate) fn add(&self, entry: Entry) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let entry = match dropped {
            0 => entry,
            dropped => entry.with("dropped", dropped),
        };
        if self.entries.try_send(entry).is_err() {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    /// A connection that did not authenticate; the listener speaks of a source once a second (L4).
    pub(crate) fn turned_away(&self, who: TurnedAway) {
        let unsaid = {
            let mut strangers = self.strangers.lock().expect("nobody panics holding it");
            match &mut *strangers {
                Some((at, unsaid)) if at.elapsed() < STRANGERS => {
                    *unsaid += 1 + who.unsaid;
                    return;
                }
                last => last
                    .replace((Instant::now(), 0))
                    .map_or(0, |(_, unsaid)| unsaid),
            }
        };
        let entry = Entry::new(self.now(), Kind::SessionRefused)
            .with("source", who.source)
            .with("why", who.why);
        self.add(and_unsaid(entry, who.unsaid + unsaid));
    }

    /// A call of a pinned client that it may not make.
    pub(crate) fn call_refused(&self, caller: &Caller, rpc: &str, why: &str) {
        let mut refused = self.refused.lock().expect("nobody panics holding it");
        let now = Instant::now();
        let last = refused.get_mut(caller.name.as_str());
        let unsaid = match last {
            Some((at, unsaid)) if now - *at < EVERY => {
                *unsaid += 1;
                return;
            }
            Some((at, unsaid)) => {
                *at = now;
                std::mem::take(unsaid)
            }
            None => {
                refused.insert(caller.name.as_str().to_owned(), (now, 0));
                0
            }
        };
        let entry = caller.entry(self.now(), Kind::CallRefused);
        let entry = entry.with("call", rpc).with("why", why);
        self.add(and_unsaid(entry, unsaid));
    }
}

fn and_unsaid(entry: Entry, unsaid: u64) -> Entry {
    match unsaid {
        0 => entry,
        unsaid => entry.with("and-as-many-more", unsaid),
    }
}

impl Writer {
    /// Writes for as long as it is polled; ends when there is nobody left to write for.
    pub(crate) async fn follow(&mut self) {
        let mut entries = Vec::new();
        while self.entries.recv_many(&mut entries, WAITING).await > 0 {
            let (audit, entries) = (self.audit.clone(), std::mem::take(&mut entries));
            let _ = spawn_blocking(move || audit.note(&entries)).await;
        }
    }

    /// Writes what still waits.
    pub(crate) async fn finish(mut self) {
        let mut entries = Vec::new();
        while let Ok(entry) = self.entries.try_recv() {
            entries.push(entry);
        }
        if !entries.is_empty() {
            let _ = spawn_blocking(move || self.audit.note(&entries)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Places;

    /// However many strangers there are, and from wherever, they fill no disk.
    #[tokio::test]
    async fn of_many_strangers_one_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            root: "/".into(),
            state: dir.path().join("state"),
            run: dir.path().join("run"),
        };
        let audit = Audit::open(&places).unwrap();
        let (notes, writer) = Notes::new(audit.clone(), || 1);
        for stranger in 0..100 {
            notes.turned_away(TurnedAway {
                source: format!("192.0.2.{stranger}"),
                why: "it has no key".to_owned(),
                unsaid: 3,
            });
        }
        writer.finish().await;
        let mut told = Vec::new();
        let read = audit.read(0, 1000, &mut |record| {
            told.push(record);
            true
        });
        read.unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("192.0.2.0"), "{told:?}");
        // What was not said is with the next one that is.
        let unsaid = notes.strangers.lock().unwrap().unwrap().1;
        assert_eq!(unsaid, 99 * 4);
    }
}
