//! The store of contents that were sent or fetched for runs: one file a blob, named by its hash.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use hpt_provisioner::host::Hash;

use crate::Places;
use crate::lock;
use crate::state::{State, StateError, private_dir};

/// How many bytes the store keeps; beyond it the oldest go.
const BUDGET: u64 = 4 << 30;

/// A store of blobs. Clones share it. What it names is whole and durable.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    places: Places,
    dir: PathBuf,
    budget: u64,
    held: Mutex<HashMap<Hash, usize>>,
}

/// Blobs that are not evicted while this lives.
pub(crate) struct Hold {
    store: Store,
    hashes: Vec<Hash>,
}

impl Store {
    /// Opens the store, or makes an empty one.
    ///
    /// # Errors
    /// If its directory cannot be made or is open to others.
    pub fn open(places: &Places) -> Result<Self, StateError> {
        Self::with_budget(places, BUDGET)
    }

    fn with_budget(places: &Places, budget: u64) -> Result<Self, StateError> {
        let dir = State::open(places)?.blobs();
        private_dir(&dir)?;
        let held = Mutex::default();
        Ok(Self(Arc::new(Inner {
            places: places.clone(),
            dir,
            budget,
            held,
        })))
    }

    /// Those of these blobs that are not here, in their order.
    pub fn missing(&self, hashes: &[Hash]) -> Vec<Hash> {
        hashes
            .iter()
            .filter(|hash| !self.path(hash).is_file())
            .copied()
            .collect()
    }

    /// Keeps blobs from being evicted, whether they are here yet or not.
    pub(crate) fn hold(&self, hashes: Vec<Hash>) -> Hold {
        let mut held = self.held();
        for hash in &hashes {
            *held.entry(*hash).or_default() += 1;
        }
        drop(held);
        Hold {
            store: self.clone(),
            hashes,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    pub(crate) fn budget(&self) -> u64 {
        self.0.budget
    }

    pub(crate) fn path(&self, hash: &Hash) -> PathBuf {
        self.0.dir.join(hash.to_hex().as_str())
    }

    /// Gives finished files their names, durably, and makes room for them.
    pub(crate) fn publish(&self, files: &[(PathBuf, Hash)]) -> io::Result<()> {
        let _hold = self.hold(files.iter().map(|(_, hash)| *hash).collect());
        for (temp, hash) in files {
            fs::rename(temp, self.path(hash))?;
        }
        File::open(self.dir())?.sync_all()?;
        self.evict()
    }

    /// Removes the oldest files until the rest fits. What a run holds, in this process or another,
    /// stays; a file that a killed sender left half-written is merely an old file.
    fn evict(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.dir())? {
            let entry = entry?;
            // One that went meanwhile needs no room.
            if let Ok(meta) = entry.metadata() {
                files.push((
                    meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    meta.len(),
                    entry,
                ));
            }
        }
        let mut size: u64 = files.iter().map(|(_, len, _)| len).sum();
        if size <= self.budget() || !matches!(lock::holder(&self.0.places), Ok(None)) {
            return Ok(());
        }
        files.sort_by_key(|(modified, ..)| *modified);
        let held = self.held();
        for (_, len, entry) in files {
            if size <= self.budget() {
                break;
            }
            let name = entry.file_name();
            let hash = name.to_str().and_then(|name| Hash::from_hex(name).ok());
            if hash.is_none_or(|hash| !held.contains_key(&hash)) {
                fs::remove_file(entry.path())?;
                size -= len;
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Hash, usize>> {
        self.0
            .held
            .lock()
            .expect("nobody panics while counting holds")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.store.held();
        for hash in &self.hashes {
            if let Some(count) = held.get_mut(hash) {
                *count -= 1;
                if *count == 0 {
                    held.remove(hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use hpt_proto::Running;

    use super::*;
    use crate::lock::Lock;

    fn places(dir: &Path) -> Places {
        Places {
            state: dir.join("state"),
            run: dir.join("run"),
            root: dir.to_owned(),
        }
    }

    fn put(store: &Store, byte: u8) -> Hash {
        let (hash, size) = store.add(&mut io::repeat(byte).take(1000)).unwrap();
        assert_eq!(size, 1000);
        hash
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::with_budget(&places(dir.path()), 2500).unwrap();
        let [one, two] = [1, 2].map(|byte| put(&store, byte));
        assert!(store.missing(&[one, two]).is_empty());
        let three = put(&store, 3);
        assert_eq!(store.missing(&[one, two, three]), [one]);
    }

    #[test]
    fn what_is_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let store = Store::with_budget(&places, 2500).unwrap();
        let [one, two] = [1, 2].map(|byte| put(&store, byte));
        let hold = store.hold(vec![one]);
        let three = put(&store, 3);
        assert_eq!(store.missing(&[one, two, three]), [two]);
        drop(hold);

        // A run of any process: nothing goes while it lasts.
        let running = Running {
            run: "x".into(),
            by: "local".into(),
            since: 0,
        };
        let lock = Lock::take(&places, &running).unwrap();
        let four = put(&store, 4);
        assert!(store.missing(&[one, three, four]).is_empty());
        drop(lock);
        let five = put(&store, 5);
        assert_eq!(store.missing(&[one, three, four, five]), [one, three]);
    }
}
