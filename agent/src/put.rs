//! Taking blobs in: hashed while they are written, and named only when whole and durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hpt_provisioner::host::Hash;

use crate::blobs::Store;
use crate::sink::Sink;

/// The longest blob, in bytes (I1).
const LONGEST: u64 = 2 << 30;
/// The longest chunk, in bytes.
const CHUNK: usize = 1 << 20;
/// The most blobs of one call: each block of a run has at most one.
const MOST: usize = 10_000;
/// Why a blob was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The sender does not keep to the order of things.
    #[error("the sender of a blob {0}")]
    BadSender(&'static str),
    /// Nobody may fill the disk.
    #[error("{0}")]
    TooMuch(&'static str),
    /// The content is another than announced.
    #[error("the content of blob {announced} has another hash: it was changed while it was sent")]
    WrongHash {
        /// The hash that was announced.
        announced: Hash,
    },
    /// The store cannot be written.
    #[error("cannot write the blob store {}: {why}", path.display())]
    Io {
        /// Its directory.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
}

/// Blobs on their way in. What is not finished is removed when this is dropped.
pub(crate) struct Batch<'a> {
    store: &'a Store,
    /// Under their temporary names.
    whole: Vec<(PathBuf, Hash)>,
    current: Option<Current>,
    bytes: u64,
}

/// The blob that is being written.
struct Current {
    announced: Hash,
    left: u64,
    temp: PathBuf,
    sink: Sink,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self {
            store,
            whole: Vec::new(),
            current: None,
            bytes: 0,
        }
    }

    /// The next blob begins: its hash and its size in bytes.
    pub(crate) fn begin(&mut self, announced: Hash, size: u64) -> Result<(), PutError> {
        if self.current.is_some() {
            return Err(PutError::BadSender("began another before its end"));
        }
        self.bytes = self.bytes.saturating_add(size);
        if size > LONGEST {
            return Err(PutError::TooMuch("a blob has at most 2 GiB"));
        }
        if self.bytes > self.store.budget() || self.whole.len() == MOST {
            return Err(PutError::TooMuch(
                "one call sends at most 10,000 blobs and 4 GiB",
            ));
        }
        let temp = self.store.dir().join(temp_name());
        let sink = Sink::create(&temp, size).map_err(|why| self.cannot(why))?;
        self.current = Some(Current {
            announced,
            left: size,
            temp,
            sink,
        });
        self.end_if_whole()
    }

    /// More bytes of it.
    pub(crate) fn write(&mut self, chunk: Bytes) -> Result<(), PutError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let Some(current) = &mut self.current else {
            return Err(PutError::BadSender("sent bytes of none"));
        };
        let left = u64::try_from(chunk.len())
            .ok()
            .and_then(|len| current.left.checked_sub(len));
        let Some(left) = left.filter(|_| chunk.len() <= CHUNK) else {
            return Err(PutError::BadSender("sent more bytes than it announced"));
        };
        current.left = left;
        let written = current.sink.write(chunk);
        written.map_err(|why| self.cannot(why))?;
        self.end_if_whole()
    }

    /// All have been sent. When this returns they have their names and are durable.
    pub(crate) fn finish(mut self) -> Result<(), PutError> {
        if self.current.is_some() {
            return Err(PutError::BadSender("stopped before its end"));
        }
        // Many files are cheaper to make durable with their file system than one by one.
        let durable = match &self.whole[..] {
            [] => return Ok(()),
            [(temp, _)] => File::open(temp).and_then(|file| file.sync_all()),
            _ => File::open(self.store.dir())
                .and_then(|dir| rustix::fs::syncfs(dir).map_err(Into::into)),
        };
        durable
            .and_then(|()| self.store.publish(&self.whole))
            .map_err(|why| self.cannot(why))?;
        self.whole.clear();
        Ok(())
    }

    fn end_if_whole(&mut self) -> Result<(), PutError> {
        let Some(current) = self.current.take_if(|current| current.left == 0) else {
            return Ok(());
        };
        let announced = current.announced;
        self.whole.push((current.temp, announced));
        let hash = current.sink.finish().map_err(|why| self.cannot(why))?;
        if hash == announced {
            Ok(())
        } else {
            Err(PutError::WrongHash { announced })
        }
    }

    fn cannot(&self, why: io::Error) -> PutError {
        PutError::Io {
            path: self.store.dir().to_owned(),
            why,
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let current = self.current.take().map(|current| current.temp);
        for temp in self.whole.drain(..).map(|(temp, _)| temp).chain(current) {
            let _ = fs::remove_file(temp);
        }
    }
}

impl Store {
    /// Takes in what a reader gives, for a host that provisions itself. Returns its hash and its
    /// size in bytes.
    ///
    /// # Errors
    /// If it is too long, or cannot be read or written.
    pub fn add(&self, from: &mut dyn Read) -> Result<(Hash, u64), PutError> {
        let temp = self.dir().join(temp_name());
        let added = copy(from, &temp).and_then(|(hash, size)| {
            self.publish(&[(temp.clone(), hash)])?;
            Ok((hash, size))
        });
        added.map_err(|why| {
            let _ = fs::remove_file(&temp);
            PutError::Io {
                path: self.dir().to_owned(),
                why,
            }
        })
    }
}

fn copy(from: &mut dyn Read, to: &Path) -> io::Result<(Hash, u64)> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let got = from.read(&mut buffer)?;
        if got == 0 {
            file.sync_all()?;
            return Ok((hasher.finalize(), size));
        }
        size += u64::try_from(got).expect("a chunk is short");
        if size > LONGEST {
            return Err(io::Error::other("a blob has at most 2 GiB"));
        }
        hasher.update(&buffer[..got]);
        file.write_all(&buffer[..got])?;
    }
}

fn temp_name() -> String {
    let mut name = [0; 8];
    getrandom::fill(&mut name).expect("the kernel has randomness after boot");
    format!("tmp-{:016x}", u64::from_ne_bytes(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::Places;

    /// What a sender does next: it may begin a blob, and sends bytes.
    type Step = (Option<(Hash, u64)>, &'static [u8]);

    fn store(dir: &Path) -> Store {
        let (state, run) = (dir.join("state"), dir.join("run"));
        Store::open(&Places {
            state,
            run,
            root: dir.to_owned(),
        })
        .unwrap()
    }

    fn files(store: &Store) -> Vec<String> {
        let names = fs::read_dir(store.dir()).unwrap();
        names
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn blobs_come_in_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let long = vec![7; 3 * CHUNK + 5];
        let blobs: [&[u8]; 3] = [b"short", b"", &long];
        let mut batch = Batch::new(&store);
        for blob in blobs {
            batch
                .begin(blake3::hash(blob), blob.len().try_into().unwrap())
                .unwrap();
            for chunk in blob.chunks(CHUNK) {
                batch.write(Bytes::copy_from_slice(chunk)).unwrap();
            }
        }
        assert_eq!(
            store.missing(&blobs.map(blake3::hash)).len(),
            3,
            "none has its name yet"
        );
        batch.finish().unwrap();
        for blob in blobs {
            let path = store.path(&blake3::hash(blob));
            assert_eq!(fs::read(&path).unwrap(), blob);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        }
        assert_eq!(files(&store).len(), 3);
    }

    /// I4, I5: a sender who does not keep to the rules leaves nothing behind.
    #[test]
    fn whatever_goes_wrong_nothing_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (right, wrong) = (blake3::hash(b"right"), blake3::hash(b"wrong"));
        let send = |steps: &[Step]| {
            let mut batch = Batch::new(&store);
            for (begin, chunk) in steps {
                if let Some((hash, size)) = begin {
                    batch.begin(*hash, *size)?;
                }
                batch.write(Bytes::from_static(chunk))?;
            }
            batch.finish()
        };
        let good = (Some((right, 5)), &b"right"[..]);
        assert!(matches!(
            send(&[good, (Some((wrong, 5)), b"right")]),
            Err(PutError::WrongHash { .. })
        ));
        for steps in [
            &[good, (Some((right, 6)), b"right")][..],
            &[(Some((right, 4)), b"right")],
            &[(Some((right, 5)), b"ri"), (Some((wrong, 5)), b"wrong")],
            &[(None, b"right")],
            &[good, (None, b"more")],
        ] {
            assert!(matches!(send(steps), Err(PutError::BadSender(_))));
        }
        for size in [LONGEST + 1, u64::MAX] {
            assert!(matches!(
                send(&[(Some((right, size)), b"")]),
                Err(PutError::TooMuch(_))
            ));
        }
        assert_eq!(files(&store), [""; 0]);
        send(&[good]).unwrap();
        assert_eq!(files(&store), [right.to_hex().to_string()]);
    }

    #[test]
    fn a_long_chunk_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let blob = vec![1; CHUNK + 1];
        let mut batch = Batch::new(&store);
        batch
            .begin(blake3::hash(&blob), blob.len().try_into().unwrap())
            .unwrap();
        assert!(batch.write(Bytes::from(blob)).is_err());
    }
}
