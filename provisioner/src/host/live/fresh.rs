//! A new file beside the one it will replace: with its content, owner, attributes and mode, and
//! private until it has them all.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Statx, Uid};
use rustix::io::Errno;

use super::access::Numbers;
use super::accounts::Accounts;
use super::blobs::Blobs;
use super::spot::{Spot, failed, file_type, stat_fd};
use super::temps::Temps;
use super::write::occupied;
use super::xattrs;
use crate::effect::{Content, WriteFile};
use crate::host::{Hash, HostError};
use crate::name::{self, AbsPath};

/// A blob of this many bytes is worth moving. Shorter ones stay, to be there for another run.
const LONG: u64 = 8 << 20;

/// Where the parts of a new file come from.
pub(super) struct Fresh<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) blobs: &'a Blobs,
    pub(super) temps: &'a Temps,
}

impl Fresh<'_> {
    /// Writes a file aside, with all that it will be, and answers with its temporary name.
    pub(super) fn write(
        &self,
        spot: &Spot,
        file: &WriteFile,
    ) -> Result<(OsString, Option<Statx>), HostError> {
        let cannot = |e| failed("cannot write", &file.path, e);
        let old = spot.stat().map_err(cannot)?;
        match old.as_ref().map(file_type) {
            None | Some(FileType::RegularFile) => {}
            Some(other) => return Err(occupied(&file.path, other)),
        }
        let numbers = Numbers::resolve(&file.access, self.accounts)?;
        let (new, temp, filled) = if let Some((new, temp)) = self.take(spot, &file.content) {
            (new, temp, Ok(()))
        } else {
            let (new, temp) = self.temps.create(&spot.dir).map_err(cannot)?;
            let filled = self.fill(&new, &file.content, &file.path);
            (new, temp, filled)
        };
        let filled = filled.and_then(|()| {
            settle(&new, spot, old.as_ref(), numbers, file.secret)
                .map_err(|e| failed("cannot set the access of", &file.path, e))
        });
        if let Err(error) = filled {
            let _ = rustix::fs::unlinkat(&spot.dir, &temp, AtFlags::empty());
            return Err(error);
        }
        Ok((temp, old))
    }

    /// A long blob that nothing else needs becomes the file itself: it is on the disk already.
    /// `None` if it has to be copied.
    fn take(&self, spot: &Spot, content: &Content) -> Option<(OwnedFd, OsString)> {
        let hash = movable(content)?;
        let temp = self.temps.name();
        let new = self
            .blobs
            .hand_over(hash, content.size(), &spot.dir, &temp)?;
        Some((new, temp))
    }

    fn fill(&self, new: &OwnedFd, content: &Content, path: &AbsPath) -> Result<(), HostError> {
        let cannot = |e: io::Error| HostError::io("cannot write", path, &e);
        match content {
            Content::Inline(bytes) => write_all(new, bytes).map_err(|e| cannot(e.into())),
            Content::Blob { hash, size, .. } => {
                let missing = || HostError::MissingBlob(path.to_string());
                let mut blob = self.blobs.open(hash)?.ok_or_else(missing)?;
                let mut new = File::from(new.try_clone().map_err(cannot)?);
                // A clone shares the blocks where the file system can; else the kernel copies.
                if rustix::fs::ioctl_ficlone(&new, &blob).is_err() {
                    io::copy(&mut blob, &mut new).map_err(cannot)?;
                }
                let has = new.metadata().map_err(cannot)?.len();
                if has == *size {
                    return Ok(());
                }
                Err(HostError::Refused(format!(
                    "the blob for {path} has {has} bytes instead of {size}"
                )))
            }
        }
    }
}

/// The blob that is worth moving instead of copying, if the content is one.
pub(super) fn movable(content: &Content) -> Option<&Hash> {
    match content {
        Content::Blob {
            hash,
            size,
            only: true,
        } if *size >= LONG => Some(hash),
        _ => None,
    }
}

/// Gives a new file what the old one had, or what is wanted; it is private until the last call.
fn settle(
    new: &OwnedFd,
    spot: &Spot,
    old: Option<&Statx>,
    mut wanted: Numbers,
    secret: bool,
) -> Result<(), Errno> {
    let born = if secret { 0o600 } else { 0o644 };
    let bits = old.map_or(born, |old| u32::from(old.stx_mode) & 0o777);
    let mode = *wanted.mode.get_or_insert(name::Mode::new(bits));
    let root = rustix::process::geteuid().is_root().then_some(0);
    wanted.uid = wanted.uid.or(old.map(|old| old.stx_uid)).or(root);
    wanted.gid = wanted.gid.or(old.map(|old| old.stx_gid)).or(root);
    // Owner first, while nobody else may read it; a later chown would take setuid bits away.
    let (uid, gid) = (wanted.uid.map(Uid::from_raw), wanted.gid.map(Gid::from_raw));
    let stat = stat_fd(new)?;
    if wanted.uid.is_some_and(|uid| uid != stat.stx_uid)
        || wanted.gid.is_some_and(|gid| gid != stat.stx_gid)
    {
        rustix::fs::fchown(new, uid, gid)?;
    }
    if old.is_some() {
        xattrs::carry(&spot.open()?, new, mode)?;
    }
    rustix::fs::fchmod(new, Mode::from_raw_mode(mode.bits()))
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
