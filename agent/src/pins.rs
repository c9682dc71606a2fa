//! The pins of the target's keystore: read, let go, and read again when the file changes or a pin ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use hpt_keystore::target::{self, PinnedClient, TargetKeys};
use hpt_keystore::{ClientName, FileError, LoadError, Passphrase, PassphraseError, PublicKey};
use hpt_transport::{AllowList, Pin};

use crate::audit::{Asked, Entry, Kind};
use crate::grants::Caller;
use crate::notes::Notes;
use crate::own::{Change, OwnKeys};

/// How often the file is looked at; a pin that goes is cut off within 2 s (R2).
const LOOK: Duration = Duration::from_secs(1);

/// Who may do what, as the keystore says right now.
pub(crate) struct Pins {
    path: PathBuf,
    own: OwnKeys,
    allow: AllowList,
    callers: RwLock<HashMap<PublicKey, Arc<Caller>>>,
    read: Mutex<Reading>,
}

/// The file as it was when it was read.
#[derive(Default)]
struct Reading {
    stamp: Option<Stamp>,
    /// When the next of its pins ends, in unix seconds.
    due: Option<u64>,
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
    /// Reads a target's keystore at this time.
    pub(crate) fn load(
        path: &Path,
        passphrase: Option<Passphrase>,
        now: u64,
    ) -> Result<Self, PassphraseError> {
        let stamp = Stamp::of(path).ok();
        let keys = target::load(path)?;
        let pins = Self {
            path: path.to_owned(),
            own: OwnKeys::open(path, keys.own, keys.former, keys.late, passphrase)?,
            allow: AllowList::new(Vec::new()),
            callers: RwLock::default(),
            read: Mutex::default(),
        };
        let due = pins.replace(keys.clients, now);
        *pins.reading() = Reading { stamp, due };
        Ok(pins)
    }

    /// This target's own keys.
    pub(crate) fn own(&self) -> &OwnKeys {
        &self.own
    }

    pub(crate) fn allow(&self) -> AllowList {
        self.allow.clone()
    }

    /// The pinned client that holds a key, at this time. Its pin may have ended before anybody looked.
    pub(crate) fn caller(&self, key: PublicKey, now: u64) -> Option<Arc<Caller>> {
        let callers = self
            .callers
            .read()
            .expect("nobody panics while holding the pins");
        let caller = callers.get(&key)?;
        let has_ended = caller.until.is_some_and(|until| until <= now);
        (!has_ended).then(|| Arc::clone(caller))
    }

    /// Follows the file for as long as it is polled.
    pub(crate) async fn follow(self: Arc<Self>, notes: Arc<Notes>) {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            let (pins, notes) = (Arc::clone(&self), Arc::clone(&notes));
            let _ = tokio::task::spawn_blocking(move || pins.look(&notes, None)).await;
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
        self.look(notes, None);
        if !self.own.are_current(&keys.own.identity().channel) {
            let path = self.path.display();
            return Err(format!("{path} holds other keys of this target"));
        }
        Ok(self.caller(key, notes.now()))
    }

    /// Changes the keystore for a caller, which counts when this returns. May block.
    pub(crate) fn change<T, E>(
        &self,
        by: &Caller,
        notes: &Notes,
        change: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let changed = change(&self.path)?;
        self.look(notes, Some(by));
        Ok(changed)
    }

    /// The keystore's content at this moment. May block.
    pub(crate) fn read(&self) -> Result<TargetKeys, LoadError> {
        target::load(&self.path)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.read
            .lock()
            .expect("nobody panics while holding what was read")
    }

    /// Reads the file again if it is another one by now, or a pin of it has ended. A file that cannot be
    /// read changes nothing: it was replaced whole before, and what went wrong is said once.
    fn look(&self, notes: &Notes, by: Option<&Caller>) {
        let mut read = self.reading(); // held until it counts: whoever looks meanwhile waits for it
        let is_due = read.due.is_some_and(|due| due <= notes.now());
        if is_due && self.own.has_late() {
            let released = target::release(&self.path, notes.now());
            released.unwrap_or_else(|why| tracing::error!("{why}"));
        }
        let now = Stamp::of(&self.path).ok();
        if read.stamp == now && !is_due {
            return;
        }
        let before = (read.stamp, read.due);
        (read.stamp, read.due) = (now, None);
        match target::load(&self.path) {
            Ok(keys) => {
                let TargetKeys {
                    own,
                    former,
                    late,
                    clients,
                    ..
                } = keys;
                let own = self.own.follow(&self.path, own, former, late);
                tracing::info!("{}: {} pinned clients", self.path.display(), clients.len());
                let before = self.known();
                read.due = self.replace(clients, notes.now());
                let (time, kind) = (notes.now(), Kind::PinsChanged);
                let entry = by.map_or_else(|| Entry::new(time, kind), |by| by.entry(time, kind));
                let entry = told_apart(entry, &before, &self.known());
                notes.add(self.with_own(entry, own));
            }
            // Whoever writes it holds it a moment longer: it is looked at again.
            Err(LoadError::File(FileError::InUse { .. })) => (read.stamp, read.due) = before,
            Err(error) => tracing::error!("{error}; the pins that were read before still count"),
        }
    }

    /// An entry with what became of this target's own keys.
    fn with_own(&self, entry: Entry, own: Result<Change, PassphraseError>) -> Entry {
        let path = self.path.display();
        match own {
            Ok(Change::None) => {}
            Ok(Change::Renewed(keys)) => return entry.with("keys", keys.fingerprint()),
            Ok(Change::Followed(names)) => {
                let names: Vec<_> = names.iter().map(ClientName::as_str).collect();
                return entry.with("followed", names.join(" "));
            }
            Ok(Change::Another) => tracing::warn!(
                "{path} holds other keys of this target now; they count after a restart"
            ),
            Err(why) => tracing::error!("{why}; the keys that were read before still count"),
        }
        entry
    }

    /// What all callers may do, by their names and the fingerprints of their keys.
    fn known(&self) -> Known {
        let callers = self.callers.read();
        let callers = callers.expect("nobody panics while holding the pins");
        let mut known = Known::new();
        for caller in callers.values() {
            let Asked { key, grants } = caller.asked();
            let of_one = known.entry(caller.name.as_str().to_owned()).or_default();
            of_one.insert((key, grants));
        }
        known
    }

    /// Lets these in, but for those whose pins have ended. Says when the next one does.
    fn replace(&self, clients: Vec<PinnedClient>, now: u64) -> Option<u64> {
        let mut callers = HashMap::new();
        let mut allowed = Vec::new();
        let mut due = None;
        for client in clients {
            if client.until.is_some_and(|until| until <= now) {
                continue;
            }
            due = due.into_iter().chain(client.until).min();
            let next = client.next.map(|next| (next.identity.channel, next.psk));
            for (key, psk) in [(client.identity.channel, client.psk)]
                .into_iter()
                .chain(next)
            {
                let caller = Caller::new(client.name.clone(), key, client.grants.clone());
                callers.insert(key, Arc::new(caller.ending(client.until)));
                allowed.push(Pin { key, psk });
            }
        }
        *self
            .callers
            .write()
            .expect("nobody panics while holding the pins") = callers;
        self.allow.replace(allowed);
        due
    }
}

/// Fingerprints and grants, by name.
type Known = BTreeMap<String, BTreeSet<(String, String)>>;

/// An entry with the names of those that came, went, or may do something else now.
fn told_apart(mut entry: Entry, before: &Known, now: &Known) -> Entry {
    let beyond = |these: &Known, those: &Known| {
        let names = these.keys().filter(|name| !those.contains_key(*name));
        names.cloned().collect::<Vec<_>>()
    };
    let is_other = |(name, asked): &(&String, &_)| before.get(*name).is_some_and(|b| b != *asked);
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

#[cfg(test)]
mod tests {
    use hpt_keystore::{Existing, Grants, Keypair, Psk};

    use super::*;

    /// R4: even where the file can no longer be read, as nobody looks at it for that.
    #[test]
    fn a_pin_that_has_ended_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.db");
        let client = PinnedClient {
            name: ClientName::parse("guest").unwrap(),
            identity: Keypair::generate().identity(),
            psk: Psk::generate(),
            grants: Grants::all(),
            added_at: 1,
            until: Some(100),
            next: None,
        };
        let key = client.identity.channel;
        target::write_new(&path, Keypair::generate(), &[client], Existing::Keep).unwrap();
        let pins = Pins::load(&path, None, 50).unwrap();
        assert_eq!(pins.reading().due, Some(100));
        fs::remove_file(&path).unwrap();
        assert!(pins.caller(key, 99).is_some());
        assert!(pins.caller(key, 100).is_none());
    }
}
