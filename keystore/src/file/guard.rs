//! Whether a place is one where nobody else can read, plant or swap the file (K1).

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::FileError;

/// What makes a place unfit, in words that follow "refused,".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Hazard {
    /// The last component is a symbolic link.
    #[error("it is a symbolic link; name the file itself")]
    Symlink,
    /// A directory, FIFO, device or socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// Group or others may do something with it.
    #[error("its mode is {0:04o} and others may not touch it; `chmod 600` it")]
    Mode(u32),
    /// Its owner is somebody else.
    #[error("it belongs to user {owner}, not to you (user {me})")]
    Owner {
        /// The uid it has.
        owner: u32,
        /// The uid that asks.
        me: u32,
    },
    /// It has other names.
    #[error("it has {0} hard links; only one name may lead to it")]
    Hardlinked(u64),
    /// Others may put files into a directory above it.
    #[error("{} may be written by others (mode {mode:04o}); `chmod go-w` it", dir.display())]
    OpenDirectory {
        /// The directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A third user owns a directory above it.
    #[error("{} belongs to user {owner}, who could replace it", dir.display())]
    ForeignDirectory {
        /// The directory.
        dir: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The path ends in no file name.
    #[error("it names no file")]
    NoName,
}

/// How far up a place is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where a keystore lives: every directory above it counts, missing ones are made.
    Home,
    /// Where a file is written to be taken elsewhere: its directory counts and must be there.
    Output,
}

/// The bits that let group or others do anything.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

pub(super) fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The same path with its directory resolved, after every directory that counts was found safe.
pub(super) fn resolve(path: &Path, place: Place) -> Result<PathBuf, FileError> {
    let refuse = |hazard| FileError::Unsafe {
        path: path.to_owned(),
        hazard,
    };
    let name = path.file_name().ok_or_else(|| refuse(Hazard::NoName))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = fs::canonicalize(parent).map_err(FileError::io(parent, "enter the directory"))?;
    check_directories(&parent, place, path)?;
    Ok(parent.join(name))
}

fn check_directories(parent: &Path, place: Place, path: &Path) -> Result<(), FileError> {
    let checked = match place {
        Place::Home => usize::MAX,
        Place::Output => 1,
    };
    for dir in parent.ancestors().take(checked) {
        let meta = fs::metadata(dir).map_err(FileError::io(dir, "look at the directory"))?;
        check_directory(dir, &meta).map_err(|hazard| FileError::Unsafe {
            path: path.to_owned(),
            hazard,
        })?;
    }
    Ok(())
}

fn check_directory(dir: &Path, meta: &Metadata) -> Result<(), Hazard> {
    let owner = meta.uid();
    if owner != ROOT && owner != me() {
        return Err(Hazard::ForeignDirectory {
            dir: dir.to_owned(),
            owner,
        });
    }
    let mode = meta.mode() & 0o7777;
    // In root's sticky directories others may add names, but not take ours away.
    let kept_apart = mode & STICKY != 0 && owner == ROOT;
    if mode & OTHERS_WRITE != 0 && !kept_apart {
        return Err(Hazard::OpenDirectory {
            dir: dir.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Looks at an open file, so that it cannot be swapped after the look.
pub(super) fn check_file(meta: &Metadata) -> Result<(), Hazard> {
    if !meta.is_file() {
        return Err(Hazard::NotRegular);
    }
    if meta.uid() != me() {
        return Err(Hazard::Owner {
            owner: meta.uid(),
            me: me(),
        });
    }
    if meta.mode() & OTHERS != 0 {
        return Err(Hazard::Mode(meta.mode() & 0o7777));
    }
    if meta.nlink() > 1 {
        return Err(Hazard::Hardlinked(meta.nlink()));
    }
    Ok(())
}

/// Makes the directories above `path` that are missing, for its owner alone.
pub(super) fn make_parents(path: &Path) -> Result<(), FileError> {
    let here = |dir: &Path| dir.as_os_str().is_empty();
    let above = path
        .ancestors()
        .skip(1)
        .map(|dir| if here(dir) { Path::new(".") } else { dir });
    let (missing, there): (Vec<_>, Vec<_>) = above.partition(|dir| dir.symlink_metadata().is_err());
    if let (Some(_), Some(there)) = (missing.first(), there.first()) {
        let there = fs::canonicalize(there).map_err(FileError::io(there, "enter the directory"))?;
        check_directories(&there, Place::Home, path)?;
    }
    for dir in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(dir) {
            // Somebody else made it at the same time.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            made => made.map_err(FileError::io(dir, "make the directory"))?,
        }
        // The umask may have taken bits of the owner's.
        fs::set_permissions(dir, Permissions::from_mode(0o700))
            .map_err(FileError::io(dir, "set the mode of the directory"))?;
        let above = dir.parent().expect("the root directory is never missing");
        super::stage::sync_directory(above)?;
    }
    Ok(())
}
