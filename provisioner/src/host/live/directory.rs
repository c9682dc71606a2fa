//! Makes directories: aside and private at first, then as wanted, and never somebody else's in their place.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Statx};
use rustix::io::Errno;

use super::access::{self, Numbers};
use super::paths::Tree;
use super::spot::{Spot, failed, file_type, stat_fd};
use super::temps::Temps;
use super::write::occupied;
use crate::host::HostError;
use crate::name::{self, AbsPath};

/// Makes a directory, or gives one that is there what is wanted of it. A new one is made aside, and
/// has its name only when it is as it is to be.
pub(super) fn make(
    tree: &Tree,
    temps: &Temps,
    spot: &Spot,
    path: &AbsPath,
    numbers: Numbers,
) -> Result<(), HostError> {
    let cannot = |e| failed("cannot make the directory", path, e);
    if spot.stat().map_err(cannot)?.is_none() {
        let aside = Spot {
            name: temps.name(),
            ..spot.clone()
        };
        let made = make_aside(tree, &aside, spot, path, numbers);
        if !matches!(made, Ok(true)) {
            let _ = rustix::fs::unlinkat(&aside.dir, &aside.name, AtFlags::REMOVEDIR);
        }
        if made? {
            return Ok(());
        }
    }
    let handle = spot.handle().map_err(cannot)?;
    let stat = stat_fd(&handle).map_err(cannot)?;
    if file_type(&stat) != FileType::Directory {
        return Err(occupied(path, file_type(&stat)));
    }
    access::apply(&handle, &stat, numbers).map_err(cannot)
}

/// Whether the new directory has got its name; not if there is something of that name by now.
fn make_aside(
    tree: &Tree,
    aside: &Spot,
    spot: &Spot,
    path: &AbsPath,
    mut numbers: Numbers,
) -> Result<bool, HostError> {
    let cannot = |e| failed("cannot make the directory", path, e);
    rustix::fs::mkdirat(&aside.dir, &aside.name, Mode::RWXU).map_err(cannot)?;
    let handle = aside.handle().map_err(cannot)?;
    let stat = stat_fd(&handle).map_err(cannot)?;
    numbers.mode.get_or_insert(name::Mode::new(0o755));
    if rustix::process::geteuid().is_root() {
        // In a setgid directory the new one would get its group.
        numbers.uid.get_or_insert(0);
        numbers.gid.get_or_insert(0);
    }
    is_what_was_made(tree, aside, &stat, path)?;
    access::apply(&handle, &stat, numbers).map_err(cannot)?;
    let rename =
        |flags| rustix::fs::renameat_with(&aside.dir, &aside.name, &spot.dir, &spot.name, flags);
    let renamed = match rename(RenameFlags::NOREPLACE) {
        // Not every file system has that; at worst an empty directory is replaced then.
        Err(Errno::INVAL) => rename(RenameFlags::empty()),
        renamed => renamed,
    };
    match renamed {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Ok(false),
        Err(e) => Err(cannot(e)),
    }
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
