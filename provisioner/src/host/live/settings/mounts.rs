//! What is mounted, and which files are swap space.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::super::Live;
use super::super::command::Spawn;
use super::super::paths::Tree;
use super::super::spot::{Spot, failed};
use crate::host::HostError;
use crate::name::AbsPath;

/// `SOURCE FSTYPE` of what was mounted last at a path.
pub(super) fn mounted(path: &AbsPath) -> Result<Option<String>, HostError> {
    let table = "/proc/self/mountinfo";
    let text = fs::read(table).map_err(|e| HostError::io("cannot read", table, &e))?;
    Ok(mounted_in(&text, path))
}

fn mounted_in(table: &[u8], path: &AbsPath) -> Option<String> {
    let lines = table.split(|b| *b == b'\n').rev();
    let mut fields = lines.map(|line| line.split(|b| *b == b' ').collect::<Vec<_>>());
    fields.find_map(|fields| {
        let spot = plain(fields.get(4)?);
        if spot != path.as_path().as_os_str().as_bytes() {
            return None;
        }
        // Optional fields end with a dash; the type and the source follow.
        let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
        let text = |at: usize| {
            let field = fields.get(at)?;
            Some(String::from_utf8_lossy(&plain(field)).into_owned())
        };
        Some(format!("{} {}", text(dash + 2)?, text(dash + 1)?))
    })
}

/// A field of a kernel table, with its octal escapes undone.
fn plain(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        });
        match octal {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Mounts what `/etc/fstab` names for a path, or unmounts it.
pub(super) fn set_mounted(live: &Live, path: &AbsPath, mounted: bool) -> Result<(), HostError> {
    if live.powers.services {
        // systemd would act on the old table.
        live.systemds.host().reload()?;
    }
    let path = path.to_string();
    let program = if mounted { "mount" } else { "umount" };
    Spawn::tool(program, ["--", &path])
        .succeed(&mut |_, _| {})
        .map(drop)
}

/// The length of a file that is in use as swap.
pub(super) fn swap(tree: &Tree, path: &AbsPath) -> Result<Option<String>, HostError> {
    let Ok(table) = fs::read("/proc/swaps") else {
        return Ok(None); // a kernel without swap
    };
    let wanted = path.as_path().as_os_str().as_bytes();
    let mut lines = table.split(|b| *b == b'\n').skip(1);
    let in_use = lines.any(|line| {
        let end = line.iter().position(|b| b" \t".contains(b));
        plain(&line[..end.unwrap_or(line.len())]) == wanted
    });
    if !in_use {
        return Ok(None);
    }
    let stat = match tree.spot(path)? {
        None => None,
        Some(spot) => spot.stat().map_err(|e| failed("cannot look at", path, e))?,
    };
    Ok(Some(stat.map_or(0, |stat| stat.stx_size).to_string()))
}

/// Makes a file of `size` bytes and uses it as swap, in the place of the one that is there.
pub(super) fn set_swap(tree: &Tree, path: &AbsPath, size: &str) -> Result<(), HostError> {
    end_swap(tree, path)?;
    let none = || HostError::Refused(format!("the directory of {path} does not exist"));
    let spot = tree.spot(path)?.ok_or_else(none)?;
    let size: u64 = size
        .parse()
        .map_err(|_| HostError::Refused(format!("{path}: a swap file has a length")))?;
    let made = make(&spot, size).map_err(|e| failed("cannot make the swap file", path, e));
    let used = made.and_then(|()| {
        let word = path.to_string();
        let outside = Path::new(&word);
        if !outside.is_file() {
            return Err(none());
        }
        for program in ["mkswap", "swapon"] {
            Spawn::tool(program, ["--", &word]).succeed(&mut |_, _| {})?;
        }
        Ok(())
    });
    if used.is_err() {
        // Half of a swap file helps nobody, and takes room.
        let _ = rustix::fs::unlinkat(&spot.dir, &spot.name, rustix::fs::AtFlags::empty());
    }
    used
}

fn make(spot: &Spot, size: u64) -> Result<(), Errno> {
    let dir = &spot.dir;
    match rustix::fs::unlinkat(dir, &spot.name, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, &spot.name, flags, Mode::from_raw_mode(0o600))?;
    let file = File::from(fd);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size)?;
    rustix::fs::fsync(&file)
}

/// Takes a file out of use as swap; the file stays.
pub(super) fn end_swap(tree: &Tree, path: &AbsPath) -> Result<(), HostError> {
    if swap(tree, path)?.is_none() {
        return Ok(());
    }
    Spawn::tool("swapoff", ["--", &path.to_string()])
        .succeed(&mut |_, _| {})
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mounted_last_is_what_is_there() {
        let table = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 0:5 / /srv/my\\040data rw - tmpfs tmpfs rw\n\
            31 30 8:17 / /srv/my\\040data rw shared:2 master:1 - xfs /dev/sdb1 rw\n";
        let at = |path: &str| mounted_in(table, &AbsPath::parse(path).unwrap());
        assert_eq!(at("/").as_deref(), Some("/dev/sda1 ext4"));
        assert_eq!(at("/srv/my data").as_deref(), Some("/dev/sdb1 xfs"));
        assert_eq!(at("/srv"), None);
        assert_eq!(mounted_in(b"", &AbsPath::parse("/").unwrap()), None);
    }

    #[test]
    fn a_file_of_swap_is_private_and_as_long_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let path = AbsPath::parse("/swap").unwrap();
        std::fs::write(dir.path().join("swap"), "old").unwrap();
        let spot = tree.spot(&path).unwrap().unwrap();
        make(&spot, 1 << 20).unwrap();
        let stat = spot.stat().unwrap().unwrap();
        assert_eq!((stat.stx_size, stat.stx_mode & 0o7777), (1 << 20, 0o600));
        assert_eq!(swap(&tree, &path).unwrap(), None);
    }
}
