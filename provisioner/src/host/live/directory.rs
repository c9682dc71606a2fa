//! Makes directories: private at first, then as wanted, and never somebody else's in their place.

use rustix::fs::{FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

use super::access::{self, Numbers};
use super::paths::Tree;
use super::spot::{Spot, failed, file_type, stat_fd};
use super::write::occupied;
use crate::host::HostError;
use crate::name::{self, AbsPath};

/// Makes a directory, or gives one that is there what is wanted of it.
pub(super) fn make(
    tree: &Tree,
    spot: &Spot,
    path: &AbsPath,
    mut numbers: Numbers,
) -> Result<(), HostError> {
    let cannot = |e| failed("cannot make the directory", path, e);
    let made = match rustix::fs::mkdirat(&spot.dir, &spot.name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(cannot(e)),
    };
    let handle = spot.handle().map_err(cannot)?;
    let stat = stat_fd(&handle).map_err(cannot)?;
    if file_type(&stat) != FileType::Directory {
        return Err(occupied(path, file_type(&stat)));
    }
    if made {
        numbers.mode.get_or_insert(name::Mode::new(0o755));
        if rustix::process::geteuid().is_root() {
            // In a setgid directory the new one would get its group.
            numbers.uid.get_or_insert(0);
            numbers.gid.get_or_insert(0);
        }
        is_what_was_made(tree, spot, &stat, path)?;
    }
    access::apply(&handle, &stat, numbers).map_err(cannot)
}

/// Whoever may rename in the parent could have put another directory in the place of the new
/// one, to have that given away; only an empty one of our own is taken for it.
fn is_what_was_made(
    tree: &Tree,
    spot: &Spot,
    stat: &Statx,
    path: &AbsPath,
) -> Result<(), HostError> {
    let cannot = |e| failed("cannot make the directory", path, e);
    if tree.is_private(&stat_fd(&spot.dir).map_err(cannot)?) {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(&spot.dir, &spot.name, flags, Mode::empty()).map_err(cannot)?;
    let same = stat_fd(&dir).map_err(cannot)?.stx_ino == stat.stx_ino;
    let entries = rustix::fs::Dir::new(dir).map_err(cannot)?.flatten();
    let holds = entries
        .filter(|e| !matches!(e.file_name().to_bytes(), b"." | b".."))
        .count();
    if same && holds == 0 && stat.stx_uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let why = "somebody replaced it while it was being made".into();
    Err(HostError::Unsafe {
        path: path.to_string(),
        why,
    })
}
