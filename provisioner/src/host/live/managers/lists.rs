//! Which installed packages have a newer version in the local lists, asked no oftener than the
//! lists change.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Manager, Newer};
use crate::host::{self, Hash, HostError};
use crate::name::PackageName;

/// What was last asked, kept for the life of the process: a host is opened anew for each run.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

struct Known {
    /// What the lists and the record looked like.
    state: Hash,
    asked: HashSet<PackageName>,
    newer: Newer,
}

/// Whether the lists have a newer version of `name`. With it are asked for all `others`, at once.
pub(in super::super) fn newer(
    manager: &dyn Manager,
    name: &PackageName,
    others: &[PackageName],
) -> Result<host::Newer, HostError> {
    if manager.lists_are_stale() {
        return Ok(host::Newer::Unknown);
    }
    let state = state(manager);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = known
        .as_ref()
        .is_some_and(|known| known.state == state && known.asked.contains(name));
    if !fresh {
        let mut names: Vec<PackageName> = others.to_vec();
        names.push(name.clone());
        names.sort();
        names.dedup();
        let (end, tail) = manager.newer(&names).listen(&mut |_, _| {})?;
        *known = manager
            .newer_versions(end, &tail.text())
            .map(|newer| Known {
                state,
                asked: names.into_iter().collect(),
                newer,
            });
    }
    Ok(known.as_ref().map_or(host::Newer::Unknown, |known| {
        match known.newer.get(name.as_str()) {
            Some(version) => host::Newer::Is(version.clone()),
            None => host::Newer::None,
        }
    }))
}

/// A hash of what the files of lists and record look like: their times and sizes, and those of
/// what lies directly in them.
fn state(manager: &dyn Manager) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(manager.word().as_bytes());
    let mut look = |path: &Path| {
        let stat = fs::symlink_metadata(path).ok();
        let shown = stat.map(|s| (s.ino(), s.size(), s.mtime(), s.mtime_nsec(), s.ctime_nsec()));
        hasher.update(format!("{}\0{shown:?}\0", path.display()).as_bytes());
    };
    for path in manager.list_files().iter().chain(manager.record_files()) {
        look(Path::new(path));
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut below: Vec<_> = entries.map(|entry| entry.path()).collect();
        below.sort();
        for path in &below {
            look(path);
        }
    }
    hasher.finalize()
}
