//! Temporary entries beside what they will replace: named at random, born private, swept when orphaned.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::stamp::now;

/// How the name of every temporary entry begins.
const PREFIX: &str = ".hpt-";

/// The names of one run's temporary entries.
pub(super) struct Temps {
    /// Distinguishes this run's entries from those of runs that died.
    run: String,
    since: SystemTime,
    me: u32,
}

impl Temps {
    /// Names for a run that begins now.
    pub(super) fn new() -> Self {
        // File systems stamp with a coarser clock, which may lag behind this one.
        let since = now() - Duration::from_millis(20);
        Self {
            run: random(),
            since,
            me: rustix::process::geteuid().as_raw(),
        }
    }

    /// A name that nobody can foresee: `.hpt-`, 8 digits of the run, 8 of this entry.
    pub(super) fn name(&self) -> OsString {
        format!("{PREFIX}{}{}", self.run, random()).into()
    }

    /// Creates an empty file that only its owner, hpt itself, can open.
    pub(super) fn create(&self, dir: &OwnedFd) -> Result<(OwnedFd, OsString), Errno> {
        let name = self.name();
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, &name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok((file, name))
    }

    /// Removes what runs that died have left in a directory. Best effort: an orphan harms nobody.
    pub(super) fn sweep(&self, dir: &OwnedFd) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(entries) = rustix::fs::openat(dir, ".", flags, Mode::empty()).and_then(Dir::new)
        else {
            return;
        };
        for entry in entries.flatten() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if self.is_anothers(name) && self.is_orphan(dir, name) {
                tracing::debug!(name = %name.display(), "removing what a dead run left");
                if let Err(Errno::ISDIR) = rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                    let _ = rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR);
                }
            }
        }
    }

    fn is_anothers(&self, name: &OsStr) -> bool {
        let digits = name
            .as_bytes()
            .strip_prefix(PREFIX.as_bytes())
            .unwrap_or_default();
        let whole = digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit);
        whole && !digits.starts_with(self.run.as_bytes())
    }

    /// Ours by owner, and last touched before this run began: only one run acts at a time (A4). What
    /// root was making for another is that one's already.
    fn is_orphan(&self, dir: &OwnedFd, name: &OsStr) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let Ok(stat) = rustix::fs::statx(dir, name, flags, StatxFlags::BASIC_STATS) else {
            return false;
        };
        let seconds = u64::try_from(stat.stx_ctime.tv_sec).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, stat.stx_ctime.tv_nsec);
        (self.me == 0 || stat.stx_uid == self.me) && changed < self.since
    }
}

/// Eight hexadecimal digits of the system's randomness.
pub(super) fn random() -> String {
    let number = getrandom::u32().expect("the kernel has randomness once it runs programs");
    format!("{number:08x}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(dir: &std::path::Path) -> OwnedFd {
        rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_temporary_file_is_born_private() {
        let dir = tempfile::tempdir().unwrap();
        let (_file, name) = Temps::new().create(&open(dir.path())).unwrap();
        let mode = fs::metadata(dir.path().join(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_dead_runs_leftovers_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let fd = open(dir.path());
        let (_, orphan) = Temps::new().create(&fd).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        for other in [
            ".hpt-x",
            ".hpt-0123456789abcdeg",
            "hpt-0123456789abcdef",
            ".hptrc",
        ] {
            fs::write(dir.path().join(other), "").unwrap();
        }
        let temps = Temps::new();
        let (_, own) = temps.create(&fd).unwrap();
        let (_, later) = Temps::new().create(&fd).unwrap();
        temps.sweep(&fd);
        assert!(!dir.path().join(orphan).exists());
        assert!(dir.path().join(own).exists() && dir.path().join(later).exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
    }
}
