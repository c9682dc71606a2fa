//! Walks to a path by file descriptors, so that nobody can redirect a step of the way (A2).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Statx};
use rustix::io::Errno;

use super::spot::{Spot, failed, file_type, stat_fd};
use crate::host::HostError;
use crate::name::AbsPath;

/// A handle on a directory for walking and `*at` calls; it cannot be read or written through.
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// As many symbolic links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// The file tree of a host: `/`, or the directory of a root that does not run.
pub(super) struct Tree {
    root: Arc<OwnedFd>,
    at: PathBuf,
    /// Besides root, the user whose symbolic links may be followed: the one hpt runs as.
    me: u32,
}

impl Tree {
    /// Opens the tree whose root directory is `at`.
    pub(super) fn open(at: &Path) -> Result<Self, HostError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(at, flags, Mode::empty())
            .map_err(|e| failed("cannot open the root directory", at.display(), e))?;
        let me = rustix::process::geteuid().as_raw();
        Ok(Self {
            root: Arc::new(root),
            at: at.to_owned(),
            me,
        })
    }

    /// The root directory as others see it.
    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    /// Whether this is the running system's own tree.
    pub(super) fn is_live(&self) -> bool {
        self.at == Path::new("/")
    }

    /// Where a path of this tree lies as others see it: programs, and people.
    pub(super) fn outside(&self, path: &AbsPath) -> PathBuf {
        self.at
            .join(path.as_path().strip_prefix("/").unwrap_or(path.as_path()))
    }

    /// Walks to the directory that holds `path`; `None` if it does not exist.
    pub(super) fn spot(&self, path: &AbsPath) -> Result<Option<Spot>, HostError> {
        let path = path.as_path();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Some(Spot {
                dir: Arc::clone(&self.root),
                name: ".".into(),
            }));
        };
        Ok(self.walk(parent)?.map(|dir| Spot {
            dir,
            name: name.to_owned(),
        }))
    }

    /// Walks to a directory; `None` if there is none.
    pub(super) fn walk(&self, path: &Path) -> Result<Option<Arc<OwnedFd>>, HostError> {
        let below = path.strip_prefix("/").unwrap_or(path);
        if below.as_os_str().is_empty() {
            return Ok(Some(Arc::clone(&self.root)));
        }
        // Nearly every path has no link in it; then one call is the whole walk.
        let plain = ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS | ResolveFlags::IN_ROOT;
        match rustix::fs::openat2(&self.root, below, DIRECTORY, Mode::empty(), plain) {
            Ok(dir) => Ok(Some(Arc::new(dir))),
            Err(Errno::NOENT) => Ok(None),
            // A link at the end or on the way, a rename during the walk, a kernel without the call.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => {
                self.step_by_step(path)
            }
            Err(e) => Err(failed("cannot walk to", path.display(), e)),
        }
    }

    /// Walks one part at a time and follows a link only where nobody but root could have put it.
    fn step_by_step(&self, path: &Path) -> Result<Option<Arc<OwnedFd>>, HostError> {
        let mut way = vec![Arc::clone(&self.root)];
        let mut ahead: VecDeque<OsString> = parts(path);
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                // The root's parent is the root itself, as the kernel has it.
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let here = Arc::clone(way.last().expect("the root is never taken off"));
            match rustix::fs::openat(&here, &part, DIRECTORY, Mode::empty()) {
                Ok(dir) => {
                    way.push(Arc::new(dir));
                    continue;
                }
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(failed("cannot walk to", path.display(), e)),
            }
            let Some(target) = self.trusted_link(&here, &part, path)? else {
                return Ok(None);
            };
            links += 1;
            if links > MOST_LINKS {
                return Err(failed("cannot walk to", path.display(), Errno::LOOP));
            }
            if target.is_absolute() {
                way.truncate(1);
            }
            for part in parts(&target).into_iter().rev() {
                ahead.push_front(part);
            }
        }
        Ok(way.pop())
    }

    /// Where the link `name` points; `None` if it is no link; an error if anyone but root (or the
    /// user hpt runs as) could have made it or could replace it.
    fn trusted_link(
        &self,
        dir: &OwnedFd,
        name: &OsStr,
        path: &Path,
    ) -> Result<Option<PathBuf>, HostError> {
        let cannot = |e| failed("cannot walk to", path.display(), e);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(cannot)?;
        let stat = stat_fd(&link).map_err(cannot)?;
        if file_type(&stat) != FileType::Symlink {
            return Ok(None);
        }
        let holder = stat_fd(dir).map_err(cannot)?;
        if !self.trusts(stat.stx_uid) || !self.is_private(&holder) {
            let name = name.display();
            let why = format!(
                "on the way lies the symbolic link `{name}`, which others than root control"
            );
            return Err(HostError::Unsafe {
                path: path.display().to_string(),
                why,
            });
        }
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).map_err(cannot)?;
        Ok(Some(PathBuf::from(OsStr::from_bytes(target.as_bytes()))))
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.me
    }

    /// Whether only trusted users can change what the directory lists.
    pub(super) fn is_private(&self, dir: &Statx) -> bool {
        self.trusts(dir.stx_uid) && dir.stx_mode & 0o022 == 0
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |c: Component<'_>| match c {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::host::{Entry, EntryKind};

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).unwrap()
    }

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        fs::write(dir.path().join("usr/bin/tool"), "x").unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        (dir, tree)
    }

    fn entry(tree: &Tree, at: &str) -> Result<Option<Entry>, HostError> {
        let spot = tree.spot(&path(at))?;
        Ok(spot.and_then(|s| s.entry().unwrap()))
    }

    #[test]
    fn a_link_that_only_root_could_have_made_is_followed() {
        let (dir, tree) = tree();
        symlink("usr/bin", dir.path().join("bin")).unwrap();
        symlink("/bin", dir.path().join("sbin")).unwrap();
        symlink("../../../usr", dir.path().join("usr/up")).unwrap();
        for at in [
            "/bin/tool",
            "/sbin/tool",
            "/usr/up/bin/tool",
            "/usr/up/up/bin/tool",
        ] {
            assert_eq!(
                entry(&tree, at).unwrap().unwrap().kind,
                EntryKind::File { size: 1 },
                "{at}"
            );
        }
        assert_eq!(
            entry(&tree, "/bin").unwrap().unwrap().kind,
            EntryKind::Symlink("usr/bin".into())
        );
    }

    #[test]
    fn a_link_in_a_directory_that_others_write_is_refused() {
        let (dir, tree) = tree();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        symlink("/usr/bin", open.join("x")).unwrap();
        for mode in [0o777, 0o1777, 0o775] {
            fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
            let Err(HostError::Unsafe { why, .. }) = entry(&tree, "/open/x/tool") else {
                panic!("mode {mode:o} was followed");
            };
            assert!(why.contains("`x`"), "{why}");
        }
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(entry(&tree, "/open/x/tool").unwrap().is_some());
    }

    #[test]
    fn links_cannot_leave_the_root_and_loops_end() {
        let (dir, tree) = tree();
        symlink("../../../../etc", dir.path().join("etc")).unwrap();
        assert!(
            entry(&tree, "/etc/passwd")
                .unwrap_err()
                .to_string()
                .contains("symbolic links")
        );
        symlink("/proc", dir.path().join("p")).unwrap();
        assert_eq!(entry(&tree, "/p/self").unwrap(), None);
    }

    #[test]
    fn nothing_on_the_way_means_nothing_there() {
        let (_dir, tree) = tree();
        assert_eq!(entry(&tree, "/usr/none/x").unwrap(), None);
        assert_eq!(entry(&tree, "/usr/bin/tool/x").unwrap(), None);
        assert_eq!(entry(&tree, "/usr/none").unwrap(), None);
        assert_eq!(entry(&tree, "/").unwrap().unwrap().kind, EntryKind::Dir);
    }
}
