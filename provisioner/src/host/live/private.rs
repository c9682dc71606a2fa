//! A directory for one command that only its user can enter, gone when the command is (S1, X3).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown,
};
use std::path::{Path, PathBuf};

use super::sys::Identity;
use super::temps::random;
use crate::host::HostError;

/// How the name of every private directory begins; the maker's process number follows.
const PREFIX: &str = "hpt-private-";

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
        sweep(Path::new(base));
        let name = format!("{PREFIX}{}-{}{}", std::process::id(), random(), random());
        let path = Path::new(base).join(name);
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

/// Removes what processes that were killed have left: a key must not stay for longer than its use.
/// The names say whose each is; others than root cannot make any in `/run`.
fn sweep(base: &Path) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some((pid, _)) = maker.filter(|(pid, _)| pid.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let mine = me == 0 && base == Path::new("/run")
            || entry.metadata().is_ok_and(|meta| meta.uid() == me);
        if mine && !Path::new("/proc").join(pid).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
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
        let dead = base.path().join(format!("{PREFIX}999999999-00"));
        let alive = base
            .path()
            .join(format!("{PREFIX}{}-00", std::process::id()));
        let other = base.path().join("hpt-private-x-00");
        for dir in [&dead, &alive, &other] {
            fs::create_dir(dir).unwrap();
        }
        sweep(base.path());
        assert!(!dead.exists() && alive.exists() && other.exists());
    }
}
