//! Makes what was written last: one file or directory at a time, or whole file systems at once.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::spot::stat_fd;

/// So many directories are cheaper synced one by one than by their file system.
const FEW: usize = 4;

/// Directories in which something was written, each once.
#[derive(Default)]
pub(super) struct Dirs<'a> {
    by_device: BTreeMap<(u32, u32), BTreeMap<u64, &'a OwnedFd>>,
    /// Descriptors that were added already; the effects of a batch share theirs.
    known: HashSet<RawFd>,
}

impl<'a> Dirs<'a> {
    /// Adds a directory.
    pub(super) fn add(&mut self, dir: &'a OwnedFd) -> Result<(), Errno> {
        if !self.known.insert(dir.as_raw_fd()) {
            return Ok(());
        }
        let stat = stat_fd(dir)?;
        let device = (stat.stx_dev_major, stat.stx_dev_minor);
        self.by_device
            .entry(device)
            .or_default()
            .insert(stat.stx_ino, dir);
        Ok(())
    }

    /// Makes the listings of all directories durable.
    pub(super) fn sync_listings(&self) -> Result<(), Errno> {
        for dirs in self.by_device.values() {
            if dirs.len() <= FEW {
                dirs.values().try_for_each(|dir| sync_dir(dir))?;
            } else {
                dirs.values()
                    .next()
                    .map_or(Ok(()), |dir| sync_file_system(dir))?;
            }
        }
        Ok(())
    }

    /// Makes everything on the file systems of the directories durable.
    pub(super) fn sync_file_systems(&self) -> Result<(), Errno> {
        self.by_device
            .values()
            .filter_map(|dirs| dirs.values().next())
            .try_for_each(|dir| sync_file_system(dir))
    }
}

/// Makes a directory's listing durable.
pub(super) fn sync_dir(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fsync(readable(dir)?)
}

fn sync_file_system(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::syncfs(readable(dir)?)
}

/// A handle made for walking cannot be synced through.
fn readable(dir: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, ".", flags, Mode::empty())
}
