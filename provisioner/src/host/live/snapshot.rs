//! What is read once and answers until the host changes: many paths at once, each directory walked
//! to once, and the parsed databases.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};

use super::accounts::Accounts;
use super::files::{self, HashCache};
use super::managers::Packages;
use super::paths::Tree;
use super::spot::{Spot, failed};
use crate::host::{Entry, Hash, HostError, Key, Unit};
use crate::name::{AbsPath, PackageName, UnitName};

/// Fewer keys are read before a second thread has started.
const FEW: usize = 64;

/// As many cores as are worth it: what is read is in memory, or waits for one disk.
const THREADS: usize = 2;

/// Directories held open by one thread.
const MOST_DIRS: usize = 64;

type Seen<T> = Result<Option<T>, HostError>;

/// What was read at one time.
#[derive(Default)]
pub(super) struct Snapshot(RwLock<Read>);

#[derive(Default)]
struct Read {
    entries: HashMap<AbsPath, Seen<Entry>>,
    hashes: HashMap<AbsPath, Seen<Hash>>,
    accounts: Option<Arc<Accounts>>,
    packages: Option<Arc<Packages>>,
    /// Units that run.
    units: HashMap<UnitName, Unit>,
    /// Packages whose newest versions will be asked for.
    newer: Vec<PackageName>,
}

impl Snapshot {
    /// Reads the paths and contents among `keys`, in place of all that was read before.
    pub(super) fn fill(&self, tree: &Tree, cache: &HashCache, keys: &[Key]) {
        let read = if keys.len() < FEW {
            read(tree, cache, keys)
        } else {
            let (share, mut all) = (keys.len().div_ceil(THREADS), Read::default());
            let mut shares = keys.chunks(share);
            let own = shares.next().unwrap_or_default();
            std::thread::scope(|scope| {
                let others: Vec<_> = shares
                    .map(|keys| scope.spawn(|| read(tree, cache, keys)))
                    .collect();
                all = read(tree, cache, own);
                // What a thread that panicked has not read is read when it is asked for.
                for other in others.into_iter().filter_map(|thread| thread.join().ok()) {
                    all.entries.extend(other.entries);
                    all.hashes.extend(other.hashes);
                    all.newer.extend(other.newer);
                }
            });
            all
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = read;
    }

    /// The entry at a path, if it was read.
    pub(super) fn entry(&self, path: &AbsPath) -> Option<Seen<Entry>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .get(path)
            .cloned()
    }

    /// The accounts; `look` is asked once.
    pub(super) fn accounts(
        &self,
        look: impl FnOnce() -> Result<Arc<Accounts>, HostError>,
    ) -> Result<Arc<Accounts>, HostError> {
        if let Some(known) = &self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .accounts
        {
            return Ok(Arc::clone(known));
        }
        let seen = look()?;
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(kept.accounts.insert(seen)))
    }

    /// The installed packages; `look` is asked once.
    pub(super) fn packages(
        &self,
        look: impl FnOnce() -> Result<Arc<Packages>, HostError>,
    ) -> Result<Arc<Packages>, HostError> {
        if let Some(known) = &self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .packages
        {
            return Ok(Arc::clone(known));
        }
        let seen = look()?;
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(kept.packages.insert(seen)))
    }

    /// Adds units that run.
    pub(super) fn keep_units(&self, units: HashMap<UnitName, Unit>) {
        let mut read = self.0.write().unwrap_or_else(PoisonError::into_inner);
        read.units = units;
    }

    /// A unit, if it was among those that run.
    pub(super) fn unit(&self, name: &UnitName) -> Option<Unit> {
        let read = self.0.read().unwrap_or_else(PoisonError::into_inner);
        read.units.get(name).cloned()
    }

    /// The packages of which newer versions will be asked for.
    pub(super) fn asked_for_newer(&self) -> Vec<PackageName> {
        let read = self.0.read().unwrap_or_else(PoisonError::into_inner);
        read.newer.clone()
    }

    /// The hash of the file at a path, if it was read.
    pub(super) fn hash(&self, path: &AbsPath) -> Option<Seen<Hash>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .hashes
            .get(path)
            .cloned()
    }
}

fn read(tree: &Tree, cache: &HashCache, keys: &[Key]) -> Read {
    let mut dirs = Walked::default();
    let mut read = Read::default();
    read.entries.reserve(keys.len());
    for key in keys {
        match key {
            Key::Path(path) => {
                let seen = dirs.spot(tree, path).and_then(|spot| {
                    let entry = spot.as_ref().map_or(Ok(None), Spot::entry);
                    entry.map_err(|e| failed("cannot look at", path, e))
                });
                read.entries.insert(path.clone(), seen);
            }
            Key::Content(path) => {
                let seen = dirs
                    .spot(tree, path)
                    .and_then(|spot| spot.map_or(Ok(None), |spot| files::hash(&spot, path, cache)));
                read.hashes.insert(path.clone(), seen);
            }
            Key::Newer(name) => read.newer.push(name.clone()),
            _ => {}
        }
    }
    read
}

/// The directories that one thread has walked to.
#[derive(Default)]
struct Walked<'k>(HashMap<&'k OsStr, Option<Arc<OwnedFd>>>);

impl<'k> Walked<'k> {
    fn spot(&mut self, tree: &Tree, path: &'k AbsPath) -> Result<Option<Spot>, HostError> {
        let path = path.as_path();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(tree.walk(path)?.map(|dir| Spot {
                dir,
                name: ".".into(),
            }));
        };
        let dir = if let Some(known) = self.0.get(parent.as_os_str()) {
            known.clone()
        } else {
            if self.0.len() >= MOST_DIRS {
                self.0.clear();
            }
            let dir = tree.walk(parent)?;
            self.0.insert(parent.as_os_str(), dir.clone());
            dir
        };
        Ok(dir.map(|dir| Spot {
            dir,
            name: name.to_owned(),
        }))
    }
}
