//! A directory for one command that only its user can enter, gone when the command is (S1, X3).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown,
};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::sys::Identity;
use super::temps::random;
use crate::host::HostError;

/// How the name of every private directory begins. Its maker holds a lock on it, which goes with the
/// maker.
const PREFIX: &str = "hpt-private-";

/// Files that a command may read and nobody else; removed on drop.
pub(super) struct PrivateDir {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    _lock: File,
}

impl PrivateDir {
    /// Makes a directory for a user; hpt's own if `None`. In `/run`, which is memory, where hpt may.
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, HostError> {
        let root = rustix::process::geteuid().is_root();
        let base = if root && Path::new("/run").is_dir() {
            "/run"
        } else {
            "/tmp"
        };
        sweep(Path::new(base));
        let made = make(Path::new(base));
        let (path, lock) =
            made.map_err(|e| HostError::io("cannot make a directory in", base, &e))?;
        let owner = identity.map(|id| (id.uid.as_raw(), id.gid.as_raw()));
        let dir = Self {
            path,
            owner,
            _lock: lock,
        };
        if let Some((uid, gid)) = owner {
            // Only root may rename in the base, so that the path is still the directory just made.
            chown(&dir.path, Some(uid), Some(gid))
                .map_err(|e| HostError::io("cannot hand over", dir.path.display(), &e))?;
        }
        Ok(dir)
    }

    /// Puts a file into it that its user may read and, if it is a program, run.
    pub(super) fn file(
        &self,
        name: &str,
        bytes: &[u8],
        is_program: bool,
    ) -> Result<PathBuf, HostError> {
        let path = self.path.join(name);
        let mode = if is_program { 0o700 } else { 0o600 };
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(bytes)?;
            // By descriptor: the user, who owns the directory by now, may rename in it.
            if let Some((uid, gid)) = self.owner {
                fchown(&file, Some(uid), Some(gid))?;
            }
            file.set_permissions(fs::Permissions::from_mode(mode))
        };
        write().map_err(|e| HostError::io("cannot write", path.display(), &e))?;
        Ok(path)
    }
}

/// Makes a directory and locks it. Between the two somebody else's sweep may take it away.
fn make(base: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let path = base.join(format!("{PREFIX}{}{}", random(), random()));
        DirBuilder::new().mode(0o700).create(&path)?;
        match locked(&path) {
            Ok(lock) if path.exists() => return Ok((path, lock)),
            Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotFound) => {
                return Err(e);
            }
            _ => {}
        }
    }
}

/// Removes what processes that were killed have left: a key must not stay for longer than its use.
/// Others than root cannot make any in `/run`.
fn sweep(base: &Path) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let mine = me == 0 && base == Path::new("/run")
            || entry.metadata().is_ok_and(|meta| meta.uid() == me);
        if mine && let Ok(_lock) = locked(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The lock of a directory, unless somebody has it.
fn locked(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)?;
    Ok(dir.into())
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_is_so_and_goes() {
        let dir = PrivateDir::new(None).unwrap();
        let key = dir.file("key", b"x", false).unwrap();
        let run = dir.file("run", b"x", true).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(
            (mode(&dir.path), mode(&key), mode(&run)),
            (0o700, 0o600, 0o700)
        );
        drop(dir);
        assert!(!key.exists() && !key.parent().unwrap().exists());
    }

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let named = |name: &str| base.path().join(name);
        let [dead, alive, other] = ["hpt-private-0", "hpt-private-1", "other"].map(named);
        for dir in [&dead, &alive, &other] {
            fs::create_dir(dir).unwrap();
        }
        let _lock = locked(&alive).unwrap();
        sweep(base.path());
        assert!(!dead.exists() && alive.exists() && other.exists());
    }
}
