//! The extended attributes that a file keeps when its content is replaced.

use std::os::fd::OwnedFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::name::Mode;

const ACL: &str = "system.posix_acl_access";

/// Gives `to` the attributes of `from` that belong to the path rather than to the old content: the
/// ACL, the security label and those of users. File capabilities stay behind, as setuid bits do.
///
/// The ACL's own copies of the permission bits are set to `mode` on the way, so that `to` is at no
/// moment open to more than it will be.
pub(super) fn carry(from: &OwnedFd, to: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    let names = match list(from) {
        Err(Errno::NOTSUP) => return Ok(()),
        names => names?,
    };
    for name in names.iter().filter(|name| belongs_to_path(name)) {
        let mut value = get(from, name)?;
        if name == ACL {
            restrict(&mut value, mode);
        }
        rustix::fs::fsetxattr(to, name.as_str(), &value, XattrFlags::empty())?;
    }
    // A default ACL of the directory gave the new file one that the old did not have.
    if !names.iter().any(|name| name == ACL) {
        match rustix::fs::fremovexattr(to, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The names of a file's attributes, but for the label that its path gives it.
pub(super) fn names(file: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = match list(file) {
        Err(Errno::NOTSUP) => Vec::new(),
        names => names?,
    };
    names.retain(|name| name != "security.selinux");
    Ok(names)
}

fn belongs_to_path(name: &str) -> bool {
    name == ACL || name == "security.selinux" || name.starts_with("user.")
}

fn list(file: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::with_capacity(1024);
    loop {
        names.clear();
        match rustix::fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names)) {
            Ok(_) => break,
            Err(Errno::RANGE) if names.capacity() < 1 << 16 => names.reserve(names.capacity() * 2),
            Err(e) => return Err(e),
        }
    }
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(names
        .split(|&b| b == 0)
        .filter(|n| !n.is_empty())
        .map(name)
        .collect())
}

fn get(file: &OwnedFd, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = Vec::with_capacity(1024);
    loop {
        value.clear();
        match rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => return Ok(value),
            Err(Errno::RANGE) if value.capacity() < 1 << 16 => value.reserve(value.capacity() * 2),
            Err(e) => return Err(e),
        }
    }
}

/// Sets the owner's, the mask's and the others' entries of an ACL to the bits of a mode.
///
/// The attribute is a version of four bytes and entries of eight: tag, permissions, id, little-endian.
fn restrict(acl: &mut [u8], mode: Mode) {
    const USER_OBJ: u16 = 0x01;
    const GROUP_OBJ: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    let tag = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    let entries = acl.get_mut(4..).unwrap_or_default();
    let masked = entries.chunks_exact(8).any(|entry| tag(entry) == MASK);
    for entry in entries.chunks_exact_mut(8) {
        let bits = match tag(entry) {
            USER_OBJ => mode.bits() >> 6,
            MASK => mode.bits() >> 3,
            GROUP_OBJ if !masked => mode.bits() >> 3,
            OTHER => mode.bits(),
            _ => continue,
        };
        entry[2] = u8::try_from(bits & 7).expect("three bits");
        entry[3] = 0;
    }
}

/// `user::rw-`, `user:1000:rw-`, `group::r--`, `mask::rw-`, `other::r--`, as they are stored.
#[cfg(test)]
pub(super) fn example_acl() -> Vec<u8> {
    let entry = |tag: u8, permissions: u8, id: u32| {
        [&[tag, 0, permissions, 0][..], &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries = [
        vec![2, 0, 0, 0],
        entry(0x01, 6, none),
        entry(0x02, 6, 1000),
        entry(0x04, 4, none),
        entry(0x10, 6, none),
        entry(0x20, 4, none),
    ];
    entries.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_never_allows_more_than_the_mode() {
        let mut value = example_acl();
        restrict(&mut value, Mode::new(0o640));
        let permissions: Vec<u8> = value[4..].chunks_exact(8).map(|e| e[2]).collect();
        assert_eq!(permissions, [6, 6, 4, 4, 0]);
        restrict(&mut [], Mode::new(0o600));
    }
}
