//! Room on the disk that is kept for the moment when there is no other (L1).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// How much, in bytes.
const SIZE: u64 = 1 << 20;

/// A file of nothing but blocks.
#[derive(Debug, Clone)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Sees to it that it has its size.
    pub(super) fn fill(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.0).is_ok_and(|meta| meta.blocks() * 512 >= SIZE) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&self.0)?;
        allocate(&mut file)
            .and_then(|()| file.sync_all())
            .inspect_err(|_| self.release())
    }

    pub(super) fn release(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn allocate(file: &mut File) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, SIZE) {
        // A file system that cannot do it keeps what is written.
        Err(Errno::OPNOTSUPP) => {
            let zeros = [0; 4096];
            let times = SIZE / 4096;
            (0..times).try_for_each(|_| file.write_all(&zeros))
        }
        done => Ok(done?),
    }
}
