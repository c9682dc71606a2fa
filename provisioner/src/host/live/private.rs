//! A directory for one command that only its user can enter, gone when the command is (S1, X3).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use super::sys::Identity;
use super::temps::random;
use crate::host::HostError;

/// Files that a command may read and nobody else; removed on drop.
pub(super) struct PrivateDir {
    path: PathBuf,
    owner: Option<(u32, u32)>,
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
        let path = Path::new(base).join(format!("hpt-{}{}", random(), random()));
        let owner = identity.map(|id| (id.uid.as_raw(), id.gid.as_raw()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| HostError::io("cannot make", path.display(), &e))?;
        let dir = Self { path, owner };
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

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

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
}
