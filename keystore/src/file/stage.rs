//! A new file that is complete and durable before its name leads to it (K4).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use super::guard::{self, Place};
use super::{FileError, Locked};
use crate::image::LARGEST;

/// A file that is written and durable under a name nobody asks for. Dropped, it is gone.
#[derive(Debug)]
#[must_use = "the file has its name only after `publish`"]
pub(crate) struct Staged {
    file: File,
    temporary: PathBuf,
    resolved: PathBuf,
    asked: PathBuf,
    replaces: Option<Locked>,
}

impl Staged {
    /// Writes the content beside `path`. Only its owner can ever open it: the mode is set before
    /// the first byte. It will replace the file that is handed in, held exclusively; without one,
    /// nothing may have the name.
    pub(crate) fn write(
        path: &Path,
        place: Place,
        content: &[u8],
        replaces: Option<Locked>,
    ) -> Result<Self, FileError> {
        // What is delivered may hold more than a keystore, and is not read here again.
        let is_read = place == Place::Home;
        if is_read && u64::try_from(content.len()).is_ok_and(|length| length > LARGEST) {
            return Err(FileError::TooLarge {
                path: path.to_owned(),
            });
        }
        if place == Place::Home {
            guard::make_parents(path)?;
        }
        let resolved = guard::resolve(path, place)?;
        remove_orphans(&resolved)?;
        if replaces.is_none() && resolved.symlink_metadata().is_ok() {
            return Err(FileError::Exists {
                path: path.to_owned(),
            });
        }
        let temporary = temporary(&resolved);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options
            .open(&temporary)
            .map_err(FileError::io(path, "create it"))?;
        let mut staged = Self {
            file,
            temporary,
            resolved,
            asked: path.to_owned(),
            replaces,
        };
        staged
            .fill(content)
            .map_err(FileError::io(path, "write it"))?;
        Ok(staged)
    }

    fn fill(&mut self, content: &[u8]) -> io::Result<()> {
        // The lock tells others that this is no orphan.
        self.file.lock()?;
        // The umask may have taken bits of the owner's.
        self.file.set_permissions(Permissions::from_mode(0o600))?;
        self.file.write_all(content)?;
        self.file.sync_all()
    }

    /// Gives the file its name, durably. A file that appeared meanwhile is kept if it was to be.
    pub(crate) fn publish(self) -> Result<(), FileError> {
        let flags = match self.replaces {
            None => RenameFlags::NOREPLACE,
            Some(_) => RenameFlags::empty(),
        };
        match renameat_with(CWD, &self.temporary, CWD, &self.resolved, flags) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => {
                return Err(FileError::Exists {
                    path: self.asked.clone(),
                });
            }
            Err(error) => return Err(FileError::io(&self.asked, "name it")(error.into())),
        }
        sync_directory(
            self.resolved
                .parent()
                .expect("a resolved path has a directory"),
        )
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `publish` there is nothing under this name; otherwise it must not stay.
        let _gone = fs::remove_file(&self.temporary);
    }
}

/// `.NAME.RANDOM.new`, beside the file.
fn temporary(resolved: &Path) -> PathBuf {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("Linux answers getrandom(2) once it has booted");
    let mut name = prefix(resolved);
    name.push(format!("{:016x}{SUFFIX}", u64::from_ne_bytes(random)));
    resolved.with_file_name(name)
}

const SUFFIX: &str = ".new";

fn prefix(resolved: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(resolved.file_name().expect("a resolved path has a name"));
    prefix.push(".");
    prefix
}

/// Removes what writers that were killed left beside the file: what nobody holds the lock of.
fn remove_orphans(resolved: &Path) -> Result<(), FileError> {
    let dir = resolved.parent().expect("a resolved path has a directory");
    let prefix = prefix(resolved);
    let entries = fs::read_dir(dir).map_err(FileError::io(dir, "list the directory"))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let ours = name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(SUFFIX.as_bytes());
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // In a directory that others share, theirs cannot be opened or removed, and need not.
            let orphaned = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            let _gone = orphaned.then(|| fs::remove_file(entry.path()));
        }
    }
    Ok(())
}

pub(super) fn sync_directory(dir: &Path) -> Result<(), FileError> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)
        .and_then(|opened| opened.sync_all())
        .map_err(FileError::io(dir, "make the directory durable"))
}
