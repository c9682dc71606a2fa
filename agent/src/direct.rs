//! Writing a long file past the page cache, so that it neither waits for it nor empties it for others.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// What a disk wants addresses, offsets and lengths to be multiples of, in bytes.
const ALIGNED: usize = 4096;
/// Bytes of one write: enough to keep a disk busy.
const WRITE: usize = 1 << 20;

/// A new file that bytes are appended to.
pub(crate) struct Direct {
    file: File,
    buffer: Vec<u8>,
    /// Where in the buffer an aligned address is.
    start: usize,
    filled: usize,
}

impl Direct {
    /// Makes a file that was not there, for its owner alone.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path)?;
        // A file system that cannot do it, as tmpfs in older kernels, writes as it always does.
        let _ = set(&file, OFlags::DIRECT);
        let buffer = vec![0; WRITE + ALIGNED];
        let start = buffer.as_ptr().align_offset(ALIGNED);
        Ok(Self {
            file,
            buffer,
            start,
            filled: 0,
        })
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(WRITE - self.filled));
            let at = self.start + self.filled;
            self.buffer[at..at + now.len()].copy_from_slice(now);
            self.filled += now.len();
            if self.filled == WRITE {
                self.flush()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Writes what is left: seldom a whole number of blocks, so it goes through the cache.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        set(&self.file, OFlags::empty())?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        self.file
            .write_all(&self.buffer[self.start..self.start + filled])
    }
}

/// Sets the flags of an open file; none but this one was set by us.
fn set(file: &File, direct: OFlags) -> io::Result<()> {
    Ok(rustix::fs::fcntl_setfl(file, direct)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_comes_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..3_000_007_u32)
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        for (name, chunk) in [("whole", all.len()), ("even", 1 << 18), ("odd", 70_001)] {
            let path = dir.path().join(name);
            let mut file = Direct::create(&path).unwrap();
            all.chunks(chunk)
                .for_each(|bytes| file.write(bytes).unwrap());
            file.finish().unwrap();
            assert!(std::fs::read(&path).unwrap() == all, "{name}");
        }
    }
}
