//! Where the bytes of one blob go: into its file and into its hash.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use hpt_provisioner::host::Hash;

use crate::direct::Direct;

/// From this size on, in bytes, a blob is worth a thread of its own and a buffer.
const LONG: u64 = 8 << 20;
/// Chunks between the thread that writes and the one that hashes.
const BACKLOG: usize = 4;

/// A blob that is being written.
pub(crate) enum Sink {
    /// A short blob is hashed where it is written.
    Short {
        file: File,
        hasher: Box<blake3::Hasher>,
    },
    /// A long one is hashed beside.
    Long {
        file: Direct,
        chunks: SyncSender<Bytes>,
        hashing: JoinHandle<Hash>,
    },
}

impl Sink {
    /// Makes a file for a blob of `size` bytes.
    pub(crate) fn create(path: &Path, size: u64) -> io::Result<Self> {
        if size < LONG {
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            let hasher = Box::default();
            return Ok(Self::Short { file, hasher });
        }
        let (chunks, incoming) = sync_channel::<Bytes>(BACKLOG);
        let hashing = thread::spawn(move || {
            let mut hasher = blake3::Hasher::new();
            for chunk in incoming {
                hasher.update(&chunk);
            }
            hasher.finalize()
        });
        Ok(Self::Long {
            file: Direct::create(path)?,
            chunks,
            hashing,
        })
    }

    pub(crate) fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        match self {
            Self::Short { file, hasher } => {
                hasher.update(&chunk);
                file.write_all(&chunk)
            }
            Self::Long { file, chunks, .. } => {
                file.write(&chunk)?;
                chunks
                    .send(chunk)
                    .expect("the hashing thread lives as long as its chunks come");
                Ok(())
            }
        }
    }

    /// The hash of all that was written. It is durable only after a sync.
    pub(crate) fn finish(self) -> io::Result<Hash> {
        match self {
            Self::Short { hasher, .. } => Ok(hasher.finalize()),
            Self::Long {
                file,
                chunks,
                hashing,
            } => {
                drop(chunks);
                file.finish()?;
                Ok(hashing.join().expect("hashing does not panic"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_blobs_get_their_hash() {
        let dir = tempfile::tempdir().unwrap();
        for chunks in [0_usize, 1, 7, 8, 20] {
            let chunk = Bytes::from(vec![0x5a; 1 << 20]);
            let size = chunks * chunk.len();
            let path = dir.path().join(chunks.to_string());
            let mut sink = Sink::create(&path, size.try_into().unwrap()).unwrap();
            (0..chunks).for_each(|_| sink.write(chunk.clone()).unwrap());
            assert_eq!(sink.finish().unwrap(), blake3::hash(&vec![0x5a; size]));
            assert!(std::fs::read(&path).unwrap() == vec![0x5a; size]);
        }
    }
}
