//! One writer or many readers at a time, and who holds the others up (K4).

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, major, minor};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::guard::{self, Hazard, Place};
use super::{FileError, read_all};

/// A keystore is held for a millisecond or two, so a short wait outlasts nearly every holder; with
/// it the answer "in use" still comes within 200 ms.
const TRIES: u32 = 15;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// What the lock keeps out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Writers.
    Shared,
    /// Everyone.
    Exclusive,
}

/// An open file in a safe place, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    file: File,
    path: PathBuf,
}

impl Locked {
    /// Opens and locks a file that is there.
    pub(crate) fn open(path: &Path, hold: Hold, place: Place) -> Result<Self, FileError> {
        if let Err(error) = path.symlink_metadata()
            && error.kind() == ErrorKind::NotFound
        {
            return Err(FileError::Missing {
                path: path.to_owned(),
            });
        }
        let resolved = guard::resolve(path, place)?;
        for _ in 0..TRIES {
            let file = open(&resolved, path)?;
            let meta = file.metadata().map_err(FileError::io(path, "look at it"))?;
            let refuse = |hazard| FileError::Unsafe {
                path: path.to_owned(),
                hazard,
            };
            guard::check_file(&meta).map_err(refuse)?;
            if !try_lock(&file, hold).map_err(FileError::io(path, "lock it"))? {
                thread::sleep(BETWEEN_TRIES);
                continue;
            }
            // Whoever held the lock may have put another file in its place.
            match fs::symlink_metadata(&resolved) {
                Ok(now) if (now.dev(), now.ino()) == (meta.dev(), meta.ino()) => {
                    return Ok(Self {
                        file,
                        path: path.to_owned(),
                    });
                }
                _ => {}
            }
        }
        let holder = fs::metadata(&resolved).ok().and_then(|meta| holder(&meta));
        Err(FileError::InUse {
            path: path.to_owned(),
            holder,
        })
    }

    /// The same, where it is no fault if nothing is there.
    pub(crate) fn open_if_there(
        path: &Path,
        hold: Hold,
        place: Place,
    ) -> Result<Option<Self>, FileError> {
        match Self::open(path, hold, place) {
            Ok(locked) => Ok(Some(locked)),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The whole content.
    pub(crate) fn read(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        read_all(&mut self.file, &self.path)
    }
}

fn open(resolved: &Path, path: &Path) -> Result<File, FileError> {
    // NONBLOCK: a FIFO must not hold us up before it is refused.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(resolved);
    opened.map_err(
        |source| match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => FileError::Unsafe {
                path: path.to_owned(),
                hazard: Hazard::Symlink,
            },
            Some(Errno::NXIO) => FileError::Unsafe {
                path: path.to_owned(),
                hazard: Hazard::NotRegular,
            },
            Some(Errno::NOENT) => FileError::Missing {
                path: path.to_owned(),
            },
            _ => FileError::Io {
                path: path.to_owned(),
                doing: "open it",
                source,
            },
        },
    )
}

fn try_lock(file: &File, hold: Hold) -> io::Result<bool> {
    let locked = match hold {
        Hold::Shared => file.try_lock_shared(),
        Hold::Exclusive => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The process that the kernel lists as holder of a lock on this file.
fn holder(meta: &Metadata) -> Option<u32> {
    let file = format!(
        "{:02x}:{:02x}:{}",
        major(meta.dev()),
        minor(meta.dev()),
        meta.ino()
    );
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF; a waiter has `->` as second word.
    let holders = locks.lines().filter_map(|line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        (words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&file.as_str()))
            .then(|| words.get(4)?.parse().ok())?
    });
    holders.into_iter().find(|&pid| pid != 0)
}
