//! The audit of a host: who did what, in a chain that shows what was changed in it (L1-L4).
//!
//! One file, `audit.jsonl`, a record a line, for root alone and only ever appended to, by `hpt serve` and
//! by the processes of runs, in turns. Nothing on the host can prove that records at its end are still
//! there, so that each client keeps the last head that it saw, signed by the target.

mod chain;
mod record;
mod reserve;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

pub use self::chain::{Broken, Head, Unproven, verify};
use self::chain::{LONGEST, head_of, seq_of, words_of};
pub(crate) use self::record::fingerprint;
pub use self::record::{Asked, Entry, Kind, Record};
use self::reserve::Reserve;
use crate::Places;
use crate::state::{StateError, private_dir};

/// As much of the file's end as is searched for its last record, in bytes.
const TAIL: u64 = 512 << 10;
/// As many records are shown to follow from one another at once.
const LINKS: u64 = 16 << 10;
/// Where a search by halves turns into reading, in bytes.
const NEAR: u64 = 64 << 10;

/// The audit of one host. It holds nothing open.
#[derive(Debug, Clone)]
pub struct Audit {
    dir: PathBuf,
    path: PathBuf,
    reserve: Reserve,
}

/// Where a file's last whole record is.
struct Tail {
    head: Head,
    /// The end of that record.
    end: u64,
    /// The end of the file.
    length: u64,
}

impl Audit {
    /// The audit of the host at these places; makes its directory if it is missing.
    ///
    /// # Errors
    /// If it cannot be made, or others have a way into it.
    pub fn open(places: &Places) -> Result<Self, StateError> {
        let dir = places.of_root();
        private_dir(&dir)?;
        Ok(Self {
            path: dir.join("audit.jsonl"),
            reserve: Reserve::new(dir.join("audit.reserve")),
            dir,
        })
    }

    /// Records what is about to be done. It is not to be done unless this succeeds: what follows of it
    /// has room in the reserve then.
    ///
    /// # Errors
    /// If it is not on disk; the refusal is, as far as the reserve can help.
    pub fn begin(&self, entries: &[Entry]) -> io::Result<Head> {
        let begun = self.reserve.fill().and_then(|()| self.append(entries));
        begun.map_err(|why| {
            if let Some(entry) = entries.last() {
                let refused = Entry {
                    kind: Kind::RunRefused,
                    detail: [("why", why.to_string())].into(),
                    ..entry.clone()
                };
                self.note(&[refused]);
            }
            self.named(&why)
        })
    }

    /// The same for an undo, which may have the room of the reserve: it makes room itself, and may be what
    /// lets its operator in again.
    ///
    /// # Errors
    /// If it is not on disk.
    pub fn begin_undo(&self, entries: &[Entry]) -> io::Result<Head> {
        let begun = self.reserve.fill().and_then(|()| self.append(entries));
        let begun = begun.or_else(|_| {
            self.release();
            self.append(entries)
        });
        begun.map_err(|why| self.named(&why))
    }

    /// What went wrong, and in which file.
    fn named(&self, why: &io::Error) -> io::Error {
        io::Error::new(why.kind(), format!("{}: {why}", self.path.display()))
    }

    /// Records what has happened, if need be in the room of the reserve.
    pub fn note(&self, entries: &[Entry]) {
        let noted = self.append(entries).or_else(|_| {
            self.release();
            self.append(entries)
        });
        if let Err(why) = noted {
            tracing::error!(
                "{}: cannot record {:?}: {why}",
                self.path.display(),
                entries.iter().map(|entry| entry.kind).collect::<Vec<_>>()
            );
        }
    }

    /// Gives the reserve's room to whoever has to write down how something ended.
    pub(crate) fn release(&self) {
        self.reserve.release();
    }

    /// Adds records, all of them on disk or none.
    fn append(&self, entries: &[Entry]) -> io::Result<Head> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let Tail {
            mut head,
            end,
            length,
        } = tail(&mut file)?;
        let mut lines = String::new();
        if end < length {
            // The power went in the midst of a record, which was promised to nobody.
            file.set_len(end)?;
            if let Some(entry) = entries.first() {
                let torn = Entry::new(entry.time, Kind::Repaired);
                lines += &head.write(&torn.with("bytes", length - end));
            }
        }
        for entry in entries {
            lines += &head.write(entry);
        }
        let written = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(why) = written {
            file.set_len(end)?;
            return Err(why);
        }
        if end == 0 {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(head)
    }

    /// How far it has come.
    ///
    /// # Errors
    /// If it cannot be read, or its last record is damaged.
    pub fn head(&self) -> io::Result<Head> {
        Ok(match self.look()? {
            Some(mut file) => tail(&mut file).map_err(|why| self.named(&why))?.head,
            None => Head::default(),
        })
    }

    /// How far it has come, and what leads there from the record with this number: the hashes of the
    /// words of those behind it, the first `LINKS` of them. Of none if it is the last, or 0.
    ///
    /// # Errors
    /// If it cannot be read, or its last record or one of these is damaged.
    pub fn head_from(&self, known: u64) -> io::Result<(Head, Vec<blake3::Hash>)> {
        let head = self.head()?;
        let mut links = Vec::new();
        if known == 0 || known >= head.seq {
            return Ok((head, links));
        }
        let mut bad = None;
        self.read(known + 1, LINKS.min(head.seq - known), &mut |line| {
            match words_of(&line) {
                Some(words) => links.push(words),
                None => bad = Some(known + 1 + u64::try_from(links.len()).unwrap_or(u64::MAX)),
            }
            bad.is_none()
        })?;
        match bad {
            Some(seq) => {
                let why = format!("record {seq} of the audit is damaged");
                Err(io::Error::new(ErrorKind::InvalidData, why))
            }
            None => Ok((head, links)),
        }
    }

    /// Hands over lines from a number on, oldest first, `limit` at most, until `each` wants no more;
    /// what is damaged too. The last `limit` if `from` is 0, all if `limit` is. Gives back how far the
    /// audit had come, if its last record is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(
        &self,
        from: u64,
        limit: u64,
        each: &mut dyn FnMut(String) -> bool,
    ) -> io::Result<Option<Head>> {
        let Some(mut file) = self.look()? else {
            return Ok(Some(Head::default()));
        };
        let tail = tail(&mut file).ok();
        let head = tail.as_ref().map(|tail| tail.head);
        let length = match &tail {
            Some(tail) => tail.end,
            None => file.metadata()?.len(),
        };
        let from = match (from, limit) {
            (0, 0) => 1,
            (0, limit) => head.map_or(0, |head| head.seq).saturating_sub(limit) + 1,
            (from, _) => from,
        };
        let start = if from == 1 {
            0
        } else {
            near(&mut file, length, from)?
        };
        file.seek(SeekFrom::Start(start))?;
        // What is read from here on only grows, and who hears it may be slow.
        flock(&file, FlockOperation::Unlock)?;
        let mut lines = BufReader::new(file.take(length - start));
        let limit = if limit == 0 { u64::MAX } else { limit };
        let mut given = 0;
        while given < limit {
            let Some(line) = line(&mut lines)? else {
                break;
            };
            // Only a line that is sure to be earlier is passed over.
            if given == 0 && seq_of(&line).is_some_and(|seq| seq < from) {
                continue;
            }
            given += 1;
            if !each(line) {
                break;
            }
        }
        Ok(head)
    }

    /// Reads all of it; `each` is given its records. Gives back how far it has come.
    ///
    /// # Errors
    /// [`Unproven`], with the first bad record.
    pub fn verify(&self, each: impl FnMut(Record)) -> Result<Head, Unproven> {
        let Some(mut file) = self.look()? else {
            return Ok(Head::default());
        };
        let Tail { end, .. } = tail(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        // It only grows from here on.
        flock(&file, FlockOperation::Unlock).map_err(io::Error::from)?;
        verify(BufReader::new(file.take(end)), None, each)
    }

    /// The file, while nobody writes to it; `None` if there is none yet.
    fn look(&self) -> io::Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) => {
                flock(&file, FlockOperation::LockShared)?;
                Ok(Some(file))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Finds the last whole record.
fn tail(file: &mut File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    (&mut *file).take(TAIL).read_to_end(&mut bytes)?;
    let damaged = || {
        let why =
            "the last record of the audit is damaged; move this file away, and clients will tell";
        io::Error::new(ErrorKind::InvalidData, why)
    };
    let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        if start > 0 {
            return Err(damaged());
        }
        let head = Head::default();
        return Ok(Tail {
            head,
            end: 0,
            length,
        });
    };
    let before = bytes[..last].iter().rposition(|byte| *byte == b'\n');
    let line = &bytes[before.map_or(0, |at| at + 1)..last];
    let line = std::str::from_utf8(line).map_err(|_| damaged())?;
    let head = head_of(line).ok_or_else(damaged)?;
    let end = start + u64::try_from(last).expect("an offset") + 1;
    Ok(Tail { head, end, length })
}

/// Where a line begins that is not after the one with this number, and not far before it.
fn near(file: &mut File, length: u64, seq: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, length);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        file.seek(SeekFrom::Start(middle))?;
        let mut lines = BufReader::new((&mut *file).take(NEAR));
        let mut rest = Vec::new();
        lines.read_until(b'\n', &mut rest)?;
        let start = middle + u64::try_from(rest.len()).expect("a length");
        match line(&mut lines)?.and_then(|line| seq_of(&line)) {
            Some(found) if found <= seq => low = start,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The next line without its line feed; what is no text is shown as such.
fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LONGEST).expect("32 KiB");
    if from.take(limit).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
