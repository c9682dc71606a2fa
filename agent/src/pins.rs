//! The pins of the target's keystore: read, let go, and read again when the file changes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hpt_keystore::target::{self, PinnedClient};
use hpt_keystore::{Keypair, LoadError, PublicKey};
use hpt_transport::{AllowList, Pin};

use crate::audit::{Asked, Entry, Kind};
use crate::grants::Caller;
use crate::notes::Notes;

/// How often the file is looked at; a pin that goes is cut off within 2 s (R2).
const LOOK: Duration = Duration::from_secs(1);

/// Who may do what, as the keystore says right now.
pub(crate) struct Pins {
    path: PathBuf,
    own: PublicKey,
    allow: AllowList,
    callers: RwLock<HashMap<PublicKey, Arc<Caller>>>,
    /// What the file was when it was read.
    stamp: Mutex<Option<Stamp>>,
}

/// Another file, or another content, has another one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([i64; 4], [u64; 3]);

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        let times = [
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        ];
        Ok(Self(times, [meta.dev(), meta.ino(), meta.len()]))
    }
}

impl Pins {
    /// Reads a target's keystore, and gives its own keys away.
    pub(crate) fn load(path: &Path) -> Result<(Keypair, Self), LoadError> {
        let stamp = Stamp::of(path).ok();
        let keys = target::load(path)?;
        let pins = Self {
            path: path.to_owned(),
            own: keys.own.channel.public(),
            allow: AllowList::new(Vec::new()),
            callers: RwLock::default(),
            stamp: Mutex::new(stamp),
        };
        pins.replace(keys.clients);
        Ok((keys.own, pins))
    }

    pub(crate) fn allow(&self) -> AllowList {
        self.allow.clone()
    }

    /// The pinned client that holds a key.
    pub(crate) fn caller(&self, key: PublicKey) -> Option<Arc<Caller>> {
        let callers = self
            .callers
            .read()
            .expect("nobody panics while holding the pins");
        callers.get(&key).cloned()
    }

    /// Follows the file for as long as it is polled.
    pub(crate) async fn follow(self: Arc<Self>, notes: Arc<Notes>) {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            let (pins, notes) = (Arc::clone(&self), Arc::clone(&notes));
            let _ = tokio::task::spawn_blocking(move || pins.look(&notes)).await;
        }
    }

    /// The pinned client that holds a key, as the file says at this moment. May block.
    ///
    /// # Errors
    /// If hpt could not start again with the file as it is, or would be another target then.
    pub(crate) fn caller_now(
        &self,
        key: PublicKey,
        notes: &Notes,
    ) -> Result<Option<Arc<Caller>>, String> {
        let keys = target::load(&self.path).map_err(|why| why.to_string())?;
        if keys.own.channel.public() != self.own {
            let path = self.path.display();
            return Err(format!("{path} holds other keys of this target"));
        }
        self.look(notes);
        Ok(self.caller(key))
    }

    /// Reads the file again if it is another one by now. A file that cannot be read changes
    /// nothing: it was replaced whole before, and what went wrong is said once.
    fn look(&self, notes: &Notes) {
        let now = Stamp::of(&self.path).ok();
        let mut stamp = self
            .stamp
            .lock()
            .expect("nobody panics while holding the stamp");
        if *stamp == now {
            return;
        }
        *stamp = now; // held until it counts: whoever looks meanwhile waits for it
        match target::load(&self.path) {
            Ok(keys) => {
                if keys.own.channel.public() != self.own {
                    tracing::warn!(
                        "{} holds other keys of this target now; they count after a restart",
                        self.path.display()
                    );
                }
                tracing::info!(
                    "{}: {} pinned clients",
                    self.path.display(),
                    keys.clients.len()
                );
                let before = self.known();
                self.replace(keys.clients);
                let entry = Entry::new(notes.now(), Kind::PinsChanged);
                notes.add(told_apart(entry, &before, &self.known()));
            }
            Err(error) => tracing::error!("{error}; the pins that were read before still count"),
        }
    }

    /// All callers by their names.
    fn known(&self) -> BTreeMap<String, Asked> {
        let callers = self.callers.read();
        let callers = callers.expect("nobody panics while holding the pins");
        callers
            .values()
            .map(|caller| (caller.name.as_str().to_owned(), caller.asked()))
            .collect()
    }

    fn replace(&self, clients: Vec<PinnedClient>) {
        let mut callers = HashMap::new();
        let mut allowed = Vec::new();
        for client in clients {
            let key = client.identity.channel;
            callers.insert(key, Arc::new(Caller::new(client.name, key, client.grants)));
            allowed.push(Pin {
                key,
                psk: client.psk,
            });
        }
        *self
            .callers
            .write()
            .expect("nobody panics while holding the pins") = callers;
        self.allow.replace(allowed);
    }
}

/// An entry with the names of those that came, went, or may do something else now.
fn told_apart(
    mut entry: Entry,
    before: &BTreeMap<String, Asked>,
    now: &BTreeMap<String, Asked>,
) -> Entry {
    let beyond = |these: &BTreeMap<String, Asked>, those: &BTreeMap<String, Asked>| {
        let names = these.keys().filter(|name| !those.contains_key(*name));
        names.cloned().collect::<Vec<_>>()
    };
    let is_other =
        |(name, asked): &(&String, &Asked)| before.get(*name).is_some_and(|b| b != *asked);
    let changed = now.iter().filter(is_other).map(|(name, _)| name.clone());
    for (what, names) in [
        ("added", beyond(now, before)),
        ("removed", beyond(before, now)),
        ("changed", changed.collect()),
    ] {
        if !names.is_empty() {
            entry = entry.with(what, names.join(" "));
        }
    }
    entry
}
