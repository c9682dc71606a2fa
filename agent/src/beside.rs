//! What goes on beside the writing of a blob: its hash in the making, and its way to the disk.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use hpt_provisioner::host::Hash;

/// From this size on, in bytes, a blob is worth threads of its own.
const LONG: u64 = 1 << 20;
/// Chunks between the thread that writes and the one that hashes.
const BACKLOG: usize = 4;
/// So many bytes are sent to the disk while more come; it would idle until the end otherwise.
const FLUSH: usize = 64 << 20;

/// The company of one blob.
pub(crate) enum Beside {
    /// A short blob is hashed where it is written.
    Here(Box<blake3::Hasher>),
    /// A long one keeps two threads busy.
    Threads {
        chunks: SyncSender<Bytes>,
        hashing: JoinHandle<Hash>,
        flushes: SyncSender<()>,
        flushing: JoinHandle<io::Result<()>>,
        unflushed: usize,
    },
}

impl Beside {
    /// For a blob of `size` bytes that is written to `file`.
    pub(crate) fn new(size: u64, file: &File) -> io::Result<Self> {
        if size < LONG {
            return Ok(Self::Here(Box::default()));
        }
        let (chunks, incoming) = sync_channel::<Bytes>(BACKLOG);
        let hashing = thread::spawn(move || {
            let mut hasher = blake3::Hasher::new();
            for chunk in incoming {
                hasher.update(&chunk);
            }
            hasher.finalize()
        });
        let (flushes, asked) = sync_channel::<()>(1);
        let file = file.try_clone()?;
        // An error is told once for each open file: what is seen here must not be forgotten.
        let flushing = thread::spawn(move || asked.iter().try_for_each(|()| file.sync_data()));
        let unflushed = 0;
        Ok(Self::Threads {
            chunks,
            hashing,
            flushes,
            flushing,
            unflushed,
        })
    }

    /// These bytes have been written.
    pub(crate) fn wrote(&mut self, chunk: Bytes) {
        match self {
            Self::Here(hasher) => {
                hasher.update(&chunk);
            }
            Self::Threads {
                chunks,
                flushes,
                unflushed,
                ..
            } => {
                *unflushed += chunk.len();
                if *unflushed >= FLUSH {
                    *unflushed = 0;
                    // Full or gone: the disk is busy, or its error is told at the end.
                    let _ = flushes.try_send(());
                }
                chunks
                    .send(chunk)
                    .expect("the hashing thread lives as long as its chunks come");
            }
        }
    }

    /// The hash of all that was written; an error of the disk, if one was seen.
    pub(crate) fn finish(self) -> io::Result<Hash> {
        match self {
            Self::Here(hasher) => Ok(hasher.finalize()),
            Self::Threads {
                chunks,
                hashing,
                flushes,
                flushing,
                ..
            } => {
                drop((chunks, flushes));
                flushing.join().expect("flushing does not panic")?;
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
        for chunks in [0_usize, 1, 3, 80] {
            let chunk = Bytes::from(vec![0x5a; 1 << 20]);
            let size = chunks * chunk.len();
            let file = tempfile::tempfile().unwrap();
            let mut beside = Beside::new(size.try_into().unwrap(), &file).unwrap();
            (0..chunks).for_each(|_| beside.wrote(chunk.clone()));
            assert_eq!(beside.finish().unwrap(), blake3::hash(&vec![0x5a; size]));
        }
    }
}
