//! Who may do what with an entry: names become numbers, and numbers are set without ever passing
//! through a wider state.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Statx, Uid};
use rustix::io::Errno;

use super::accounts::Accounts;
use super::spot::{Spot, failed, file_type, stat_fd};
use crate::effect::Access;
use crate::host::HostError;
use crate::name::{self, AbsPath};

/// An [`Access`] in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mode: Option<name::Mode>,
}

impl Numbers {
    /// Looks the names up among the accounts as they are now.
    pub(super) fn resolve(access: &Access, accounts: &Accounts) -> Result<Self, HostError> {
        let uid = |name| accounts.needed_user(name).map(|user| user.uid);
        let gid = |name| accounts.needed_gid(name);
        Ok(Self {
            uid: access.owner.as_ref().map(uid).transpose()?,
            gid: access.group.as_ref().map(gid).transpose()?,
            mode: access.mode,
        })
    }
}

/// Changes an existing entry through a handle on it; `None` leaves a value.
pub(super) fn set(spot: &Spot, path: &AbsPath, wanted: Numbers) -> Result<(), HostError> {
    let cannot = |e| failed("cannot change the access to", path, e);
    let handle = spot.handle().map_err(cannot)?;
    let stat = stat_fd(&handle).map_err(cannot)?;
    let unsafe_ = |why: String| HostError::Unsafe {
        path: path.to_string(),
        why,
    };
    match file_type(&stat) {
        FileType::RegularFile | FileType::Directory => {}
        FileType::Symlink => {
            return Err(unsafe_(
                "it is a symbolic link; name what it points to".into(),
            ));
        }
        _ => return Err(unsafe_("it is a FIFO, socket or device".into())),
    }
    // A second name of somebody else's file: a hard link that a user made to have it given to him.
    if file_type(&stat) == FileType::RegularFile && stat.stx_nlink > 1 {
        let holder = stat_fd(&spot.dir).map_err(cannot)?;
        if stat.stx_uid != wanted.uid.unwrap_or(holder.stx_uid) {
            let links = stat.stx_nlink;
            let why = format!(
                "it is one of {links} names of a file that user {} owns",
                stat.stx_uid
            );
            return Err(unsafe_(why));
        }
    }
    apply(&handle, &stat, wanted).map_err(cannot)
}

/// Sets owner, group and mode of what a handle holds.
pub(super) fn apply(handle: &OwnedFd, stat: &Statx, wanted: Numbers) -> Result<(), Errno> {
    let has = u32::from(stat.stx_mode) & 0o7777;
    // A file that changes hands keeps its setuid bits only if they are asked for; on a directory
    // they mean something harmless.
    let kept = if file_type(stat) == FileType::Directory {
        has
    } else {
        has & 0o1777
    };
    let mode = wanted.mode.map_or(kept, name::Mode::bits);
    let uid = wanted.uid.filter(|&uid| uid != stat.stx_uid);
    let gid = wanted.gid.filter(|&gid| gid != stat.stx_gid);
    if uid.is_some() || gid.is_some() {
        // Neither the old bits for the new owner nor the new bits for the old one.
        if has & mode != has {
            chmod(handle, has & mode)?;
        }
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        rustix::fs::chownat(handle, "", uid, gid, AtFlags::EMPTY_PATH)?;
        return chmod(handle, mode);
    }
    if wanted.mode.is_some() && mode != has {
        chmod(handle, mode)
    } else {
        Ok(())
    }
}

/// Changes the mode of what a handle holds, which `fchmod` refuses for handles without read rights.
fn chmod(handle: &OwnedFd, bits: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(bits);
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), mode)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::super::paths::Tree;
    use super::*;

    fn set_at(dir: &Path, name: &str, wanted: Numbers) -> Result<(), HostError> {
        let path = AbsPath::parse(&format!("/{name}")).unwrap();
        let spot = Tree::open(dir).unwrap().spot(&path).unwrap().unwrap();
        set(&spot, &path, wanted)
    }

    #[test]
    fn modes_change_through_a_handle_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "").unwrap();
        let wanted = Numbers {
            mode: Some(name::Mode::new(0o640)),
            ..Numbers::default()
        };
        set_at(dir.path(), "f", wanted).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        symlink(&file, dir.path().join("l")).unwrap();
        assert!(matches!(
            set_at(dir.path(), "l", wanted),
            Err(HostError::Unsafe { .. })
        ));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("p"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(
            set_at(dir.path(), "p", wanted),
            Err(HostError::Unsafe { .. })
        ));
    }

    /// A3. Needs root, to have a file of another owner.
    #[test]
    fn a_hard_link_to_anothers_file_is_not_given_away() {
        if !crate::host::live::tests::is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("shadow"), "").unwrap();
        fs::set_permissions(dir.path().join("shadow"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(dir.path().join("shadow"), dir.path().join("mine")).unwrap();
        let wanted = Numbers {
            uid: Some(1000),
            ..Numbers::default()
        };
        assert!(matches!(
            set_at(dir.path(), "mine", wanted),
            Err(HostError::Unsafe { .. })
        ));
        assert_eq!(fs::metadata(dir.path().join("shadow")).unwrap().uid(), 0);
        fs::remove_file(dir.path().join("mine")).unwrap();
        set_at(dir.path(), "shadow", wanted).unwrap();
        assert_eq!(fs::metadata(dir.path().join("shadow")).unwrap().uid(), 1000);
    }

    /// Needs root, to change owners.
    #[test]
    fn setuid_bits_go_with_the_owner_unless_they_are_asked_for() {
        if !crate::host::live::tests::is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
        set_at(
            dir.path(),
            "f",
            Numbers {
                uid: Some(1000),
                ..Numbers::default()
            },
        )
        .unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o755);
        let wanted = Numbers {
            uid: Some(0),
            gid: Some(5),
            mode: Some(name::Mode::new(0o2750)),
        };
        set_at(dir.path(), "f", wanted).unwrap();
        let meta = fs::metadata(&file).unwrap();
        assert_eq!(
            (meta.uid(), meta.gid(), meta.mode() & 0o7777),
            (0, 5, 0o2750)
        );
    }
}
