//! The bytes of a keystore file: one redb table, written and read in memory.
//!
//! redb never touches the file itself. So reading cannot change it (a repair happens in memory), a
//! writer puts a whole new file in place of the old one, nothing that was removed lingers in free
//! pages, and what a damaged file can make redb do is bounded here (K5).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// The largest file that is taken for a keystore: 16 MiB are 80,000 peers.
pub(crate) const LARGEST: u64 = 16 << 20;

/// What redb may grow a damaged image to while it repairs it.
const LARGEST_WHILE_OPEN: u64 = 2 * LARGEST;

const CACHE: usize = 1 << 20;

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keystore");

/// The table's rows, by key.
pub(crate) type Rows = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Why bytes are not a table, in redb's words.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotATable(String);

/// The file that holds these rows: one two-phase transaction (K4), then compacted.
pub(crate) fn write(rows: &Rows) -> Result<Zeroizing<Vec<u8>>, NotATable> {
    contain(|| {
        let image = Image::default();
        let mut database = open(&image)?;
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(key.as_str(), value.as_slice())?;
            }
        }
        transaction.commit()?;
        while database.compact()? {}
        drop(database);
        Ok(image.take())
    })
}

/// The rows of a file.
pub(crate) fn read(bytes: Zeroizing<Vec<u8>>) -> Result<Rows, NotATable> {
    let most = bytes.len();
    contain(|| {
        let database = open(&Image::of(bytes))?;
        let table = database.begin_read()?.open_table(TABLE)?;
        let mut rows = Rows::new();
        let mut seen = 0;
        for row in table.iter()? {
            let (key, value) = row?;
            // A damaged tree may have a page within itself; its rows would never end.
            seen += key.value().len() + value.value().len() + 1;
            if seen > most {
                return Err(redb::Error::Corrupted("its rows exceed its size".into()));
            }
            rows.insert(
                key.value().to_owned(),
                Zeroizing::new(value.value().to_vec()),
            );
        }
        Ok(rows)
    })
}

fn open(image: &Image) -> Result<Database, redb::Error> {
    let database = Builder::new()
        .set_cache_size(CACHE)
        .create_with_backend(image.clone())?;
    Ok(database)
}

/// Turns whatever redb does with bytes that it did not write into an error. That is the second
/// line of defence, after [`crate::checksum`], and not as good: in one forged file of thousands redb
/// panics in a destructor too, which ends the process. Who can forge one owns the keystore anyway.
fn contain<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, NotATable> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(NotATable(error.to_string().replace('\n', " "))),
        Err(_panic) => Err(NotATable("its pages contradict each other".into())),
    }
}

/// A file in memory, wiped when it is dropped.
#[derive(Clone, Default)]
struct Image(Arc<Mutex<Zeroizing<Vec<u8>>>>);

/// redb asks for it; the bytes are nobody's to see.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Image")
    }
}

impl Image {
    fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    fn take(&self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut *self.bytes())
    }

    fn bytes(&self) -> MutexGuard<'_, Zeroizing<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn range(offset: u64, length: usize) -> io::Result<Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
    let end = start.checked_add(length).ok_or(ErrorKind::UnexpectedEof)?;
    Ok(start..end)
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        u64::try_from(self.bytes().len()).map_err(|_| ErrorKind::FileTooLarge.into())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes();
        let part = bytes
            .get(range(offset, out.len())?)
            .ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if length > LARGEST_WHILE_OPEN {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let length = usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
        let mut bytes = self.bytes();
        // Never a reallocation that would leave the old copy behind unwiped.
        let mut resized = Zeroizing::new(vec![0; length]);
        let kept = length.min(bytes.len());
        resized[..kept].copy_from_slice(&bytes[..kept]);
        bytes.zeroize();
        *bytes = resized;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes();
        let part = bytes
            .get_mut(range(offset, data.len())?)
            .ok_or(ErrorKind::UnexpectedEof)?;
        part.copy_from_slice(data);
        Ok(())
    }
}
