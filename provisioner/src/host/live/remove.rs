//! Removes entries by descriptor: a tree goes with all it holds, on its own file system only.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::durable;
use super::paths::Tree;
use super::spot::{failed, file_type};
use crate::effect::Effect;
use crate::host::{Done, HostError};
use crate::name::AbsPath;

/// Directories held open at once.
const MOST_DIRS: usize = 256;

/// Performs removals in order; all that is answered with `Ok` is durable, and the first failure is the
/// last answer. Nothing there is done already.
pub(super) fn remove(tree: &Tree, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
    let mut answers = Vec::new();
    let mut dirs = HashMap::new();
    for effect in batch {
        let removed = match effect {
            Effect::Remove { path, recursive } => remove_one(tree, path, *recursive),
            _ => Err(HostError::Refused(
                "hpt has a bug: no removal in a batch of removals".into(),
            )),
        };
        let parent = effect.path().and_then(AbsPath::parent);
        answers.push(removed.map(|dir| {
            dirs.extend(parent.zip(dir));
            Done::default()
        }));
        let synced = if dirs.len() >= MOST_DIRS {
            sync(&std::mem::take(&mut dirs))
        } else {
            Ok(())
        };
        if let Err(error) = synced {
            return vec![Err(error)];
        }
        if answers.last().is_some_and(Result::is_err) {
            break;
        }
    }
    match sync(&dirs) {
        Ok(()) => answers,
        Err(error) => vec![Err(error)],
    }
}

fn sync(dirs: &HashMap<AbsPath, Arc<OwnedFd>>) -> Result<(), HostError> {
    let mut changed = durable::Dirs::default();
    let added = dirs.values().try_for_each(|dir| changed.add(dir));
    added
        .and_then(|()| changed.sync_listings())
        .map_err(|e| failed("cannot make durable what was removed from", "the disk", e))
}

/// The directory that an entry was removed from, if there was one.
fn remove_one(
    tree: &Tree,
    path: &AbsPath,
    recursive: bool,
) -> Result<Option<Arc<OwnedFd>>, HostError> {
    let cannot = |e| failed("cannot remove", path, e);
    let Some(spot) = tree.spot(path)? else {
        return Ok(None);
    };
    let Some(stat) = spot.stat().map_err(cannot)? else {
        return Ok(None);
    };
    if spot.name == "." {
        return Err(HostError::Unsafe {
            path: path.to_string(),
            why: "it is the root directory".into(),
        });
    }
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(mounted(path));
    }
    if file_type(&stat) != FileType::Directory {
        rustix::fs::unlinkat(&spot.dir, &spot.name, AtFlags::empty()).map_err(cannot)?;
    } else if recursive {
        remove_tree(&spot.dir, &spot.name, path)?;
    } else {
        match rustix::fs::unlinkat(&spot.dir, &spot.name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY) => {
                let why = format!(
                    "cannot remove {path}: the directory is not empty, and `recursive` is not set"
                );
                return Err(HostError::Refused(why));
            }
            done => done.map_err(cannot)?,
        }
    }
    Ok(Some(spot.dir))
}

/// A directory being emptied: what its parent calls it, itself, and the names left in it.
struct Level {
    name: OsString,
    dir: OwnedFd,
    left: Vec<OsString>,
}

/// Depth first with a list of open directories, so that a deep tree costs descriptors and no stack.
fn remove_tree(parent: &OwnedFd, name: &OsStr, path: &AbsPath) -> Result<(), HostError> {
    let cannot = |e| failed("cannot remove all of", path, e);
    let mut levels = vec![enter(parent, name).map_err(cannot)?];
    while let Some(level) = levels.last_mut() {
        let Some(next) = level.left.pop() else {
            let done = levels.pop().expect("there was a last one");
            let above = levels.last().map_or(parent, |level| &level.dir);
            rustix::fs::unlinkat(above, &done.name, AtFlags::REMOVEDIR).map_err(cannot)?;
            continue;
        };
        match rustix::fs::unlinkat(&level.dir, &next, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let stat = rustix::fs::statx(&level.dir, &next, flags, StatxFlags::BASIC_STATS);
                if stat
                    .map_err(cannot)?
                    .stx_attributes
                    .contains(StatxAttributes::MOUNT_ROOT)
                {
                    return Err(mounted(path));
                }
                let below = enter(&level.dir, &next).map_err(cannot)?;
                levels.push(below);
            }
            Err(e) => return Err(cannot(e)),
        }
    }
    Ok(())
}

fn enter(parent: &OwnedFd, name: &OsStr) -> Result<Level, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let mut left = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            left.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(Level {
        name: name.to_owned(),
        dir,
        left,
    })
}

fn mounted(path: &AbsPath) -> HostError {
    HostError::Unsafe {
        path: path.to_string(),
        why: "a file system is mounted on it or below it".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_point_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("t/a/b/c")).unwrap();
        fs::create_dir(dir.path().join("kept")).unwrap();
        fs::write(dir.path().join("kept/f"), "x").unwrap();
        fs::write(dir.path().join("t/a/f"), "x").unwrap();
        symlink("../kept", dir.path().join("t/link")).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let path = AbsPath::parse("/t").unwrap();
        let remove = |path: &AbsPath, recursive| {
            let path = path.clone();
            let mut answers = remove(&tree, &[Effect::Remove { path, recursive }]);
            answers.pop().unwrap()
        };
        let refused = remove(&path, false).unwrap_err();
        assert!(refused.to_string().contains("not empty"), "{refused}");
        remove(&path, true).unwrap();
        assert!(!dir.path().join("t").exists() && dir.path().join("kept/f").exists());
        remove(&path, true).unwrap();
        assert!(remove(&AbsPath::parse("/").unwrap(), true).is_err());
    }
}
