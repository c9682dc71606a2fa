//! One entry of the file tree, held by its directory's descriptor: looked at, opened, never followed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::host::{Entry, EntryKind, HostError, Owner};
use crate::name;

/// Where an entry lies or would lie: a directory that has been walked to, and a name in it.
#[derive(Clone)]
pub(super) struct Spot {
    pub(super) dir: Arc<OwnedFd>,
    pub(super) name: OsString,
}

impl Spot {
    /// The entry's stat, a link not followed; `None` if there is nothing.
    pub(super) fn stat(&self) -> Result<Option<Statx>, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match rustix::fs::statx(&self.dir, &self.name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens the entry for reading. Never blocks, never follows; what it is must still be asked.
    pub(super) fn open(&self) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty())
    }

    /// A handle on the entry itself, whatever it is, link included.
    pub(super) fn handle(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty())
    }

    /// What the entry is, as a plan sees it.
    pub(super) fn entry(&self) -> Result<Option<Entry>, Errno> {
        let Some(stat) = self.stat()? else {
            return Ok(None);
        };
        let kind = match file_type(&stat) {
            FileType::RegularFile => EntryKind::File {
                size: stat.stx_size,
            },
            FileType::Directory => EntryKind::Dir,
            FileType::Symlink => EntryKind::Symlink(self.link_target()?),
            _ => EntryKind::Special,
        };
        Ok(Some(Entry {
            kind,
            mode: name::Mode::new(u32::from(stat.stx_mode)),
            owner: Owner::Id(stat.stx_uid),
            group: Owner::Id(stat.stx_gid),
        }))
    }

    /// Whether the entry is a directory that holds something that counts.
    pub(super) fn holds(&self, counts: impl Fn(&OsStr) -> bool) -> Result<bool, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            dir => dir?,
        };
        for entry in Dir::new(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") && counts(OsStr::from_bytes(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn link_target(&self) -> Result<String, Errno> {
        let target = rustix::fs::readlinkat(&self.dir, &self.name, Vec::new())?;
        Ok(String::from_utf8_lossy(target.as_bytes()).into_owned())
    }
}

/// The stat of an open file or of a handle.
pub(super) fn stat_fd(fd: impl AsFd) -> Result<Statx, Errno> {
    rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

/// The stat of a path outside any tree, links followed; `None` if there is nothing or it cannot be asked.
pub(super) fn stat_outside(path: &Path) -> Option<Statx> {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).ok()
}

/// What sort of file a stat is of.
pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// A system call's failure as an error with the path in it.
pub(super) fn failed(what: &'static str, path: impl ToString, errno: Errno) -> HostError {
    HostError::io(what, path, &io::Error::from(errno))
}
