//! Unpacks an archive as file effects, and refuses what has no business below its directory: paths and
//! links that leave it, devices, more than a disk should take.

mod tar;
mod zip;

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use crate::effect::{Access, Content, Effect, UnpackJob, WriteFile};
use crate::host::HostError;
use crate::name::{AbsPath, Mode};

/// The most entries of an archive.
const MOST_ENTRIES: usize = 200_000;
/// The most bytes that an archive unpacks to.
const MOST_BYTES: u64 = 8 << 30;

/// How an archive's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all, or as `tar` and `zip` themselves do.
    Own,
    /// By a program of the system that unpacks it, with its name.
    By(&'static str),
}

/// A host that an archive is unpacked on.
pub(super) trait Sink {
    /// Keeps the next bytes of the archive, at most `most` of them, until they are put in place.
    fn keep(&mut self, from: &mut dyn Read, most: u64) -> Result<Content, HostError>;
    /// The content of a file that has been put in place before.
    fn again(&mut self, path: &AbsPath) -> Result<Content, HostError>;
    /// Whether a directory is there.
    fn has_dir(&mut self, path: &AbsPath) -> Result<bool, HostError>;
    /// Puts an entry in place.
    fn put(&mut self, effect: Effect) -> Result<(), HostError>;
}

/// What an archive says of one of its entries.
enum Part<'a> {
    Dir,
    File(&'a mut dyn Read),
    /// A symbolic link and where it points.
    Link(String),
    /// A second name for a file of the archive.
    Again(String),
}

/// How the bytes are packed, by what they begin with.
pub(super) fn packing(archive: &mut (impl Read + Seek)) -> std::io::Result<Packing> {
    let mut first = [0; 6];
    let mut got = 0;
    while got < first.len() {
        match archive.read(&mut first[got..])? {
            0 => break,
            more => got += more,
        }
    }
    archive.seek(SeekFrom::Start(0))?;
    Ok(match &first {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Packing::By("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::By("zstd"),
        [b'B', b'Z', b'h', ..] => Packing::By("bzip2"),
        _ => Packing::Own,
    })
}

/// Unpacks an archive whose bytes are not packed by a program of the system.
pub(super) fn unpack<R: Read + Seek>(
    mut archive: R,
    job: &UnpackJob,
    sink: &mut dyn Sink,
) -> Result<(), HostError> {
    let mut first = [0; 4];
    let got = archive.read(&mut first);
    let back = got.and_then(|_| archive.seek(SeekFrom::Start(0)));
    back.map_err(|why| broken(job, &why))?;
    let mut unpacking = Unpacking {
        job,
        sink,
        made: BTreeSet::new(),
        entries: 0,
        room: MOST_BYTES,
    };
    match &first {
        [0x1f, 0x8b, ..] => tar::read(flate2::read::MultiGzDecoder::new(archive), &mut unpacking),
        b"PK\x03\x04" | b"PK\x05\x06" => zip::read(archive, &mut unpacking),
        _ => tar::read(archive, &mut unpacking),
    }
}

/// The archive cannot be read.
fn broken(job: &UnpackJob, why: &dyn std::fmt::Display) -> HostError {
    HostError::Refused(format!("cannot read the archive {}: {why}", job.source))
}

/// An archive that is being unpacked.
struct Unpacking<'a> {
    job: &'a UnpackJob,
    sink: &'a mut dyn Sink,
    /// Directories below the destination that are known to be there.
    made: BTreeSet<AbsPath>,
    entries: usize,
    /// How many bytes may still come.
    room: u64,
}

impl Unpacking<'_> {
    /// Takes one entry, by the name and mode that the archive gives it.
    fn take(&mut self, name: &[u8], mode: u32, part: Part<'_>) -> Result<(), HostError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(self.refuse(name, "it is one of more than 200,000"));
        }
        let Some(path) = self.place(name)? else {
            return Ok(());
        };
        let mut bits = mode & 0o755; // as if with umask 022
        if self.job.allow_setuid {
            bits |= mode & 0o6000;
        }
        let access = Access {
            mode: Some(Mode::new(bits)),
            ..self.job.access.clone()
        };
        if let Part::Dir = part {
            return self.make_dir(&path, access);
        }
        self.make_parents(&path)?;
        let content = match part {
            Part::Link(to) => {
                self.check_link(name, &path, &to)?;
                return self.sink.put(Effect::Link { path, to });
            }
            Part::File(from) => {
                let content = self.sink.keep(from, self.room)?;
                let room = self.room.checked_sub(content.size());
                self.room =
                    room.ok_or_else(|| self.refuse(name, "all together is more than 8 GiB"))?;
                content
            }
            Part::Again(of) => match self.place(of.as_bytes())? {
                Some(of) => self.sink.again(&of)?,
                None => return Err(self.refuse(name, "it is a link to what `strip` leaves out")),
            },
            Part::Dir => unreachable!("directories are made above"),
        };
        self.sink.put(Effect::WriteFile(WriteFile {
            path,
            content,
            access,
            verify: None,
            secret: false,
        }))
    }

    /// Where an entry goes; `None` for the destination itself and what `strip` leaves out.
    fn place(&self, name: &[u8]) -> Result<Option<AbsPath>, HostError> {
        let text =
            std::str::from_utf8(name).map_err(|_| self.refuse(name, "its name is not UTF-8"))?;
        if text.starts_with('/') {
            return Err(self.refuse(name, "its path is absolute"));
        }
        let mut parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        for _ in 0..self.job.strip {
            if parts.next() == Some("..") {
                return Err(self.refuse(name, "its path has a `..`"));
            }
        }
        let mut path = None;
        for part in parts {
            let above = path.as_ref().unwrap_or(&self.job.dest);
            let below = above.join(part);
            path = Some(below.map_err(|why| self.refuse(name, &why.to_string()))?);
        }
        Ok(path)
    }

    fn make_parents(&mut self, path: &AbsPath) -> Result<(), HostError> {
        let below: Vec<_> = std::iter::successors(path.parent(), AbsPath::parent)
            .take_while(|dir| *dir != self.job.dest)
            .collect();
        for dir in below.into_iter().rev() {
            let access = self.job.access.clone();
            self.make_one(dir, access)?;
        }
        Ok(())
    }

    fn make_dir(&mut self, path: &AbsPath, access: Access) -> Result<(), HostError> {
        self.make_parents(path)?;
        self.make_one(path.clone(), access)
    }

    /// Makes a directory that is not there. One that is keeps what it has; whatever else lies there,
    /// a link to a directory too, is refused when the directory is made.
    fn make_one(&mut self, path: AbsPath, access: Access) -> Result<(), HostError> {
        if self.made.contains(&path) {
            return Ok(());
        }
        if !self.sink.has_dir(&path)? {
            let path = path.clone();
            self.sink.put(Effect::MakeDir { path, access })?;
        }
        self.made.insert(path);
        Ok(())
    }

    /// Whether a link stays below the destination. No entry lies behind a link, so that its place is
    /// what its path says, and only `..` at the beginning can lead upwards.
    fn check_link(&self, name: &[u8], path: &AbsPath, to: &str) -> Result<(), HostError> {
        let leaves = || {
            self.refuse(
                name,
                &format!("it is a link that may lead elsewhere: {to:?}"),
            )
        };
        if to.is_empty() || to.len() > 4095 || to.starts_with('/') || to.contains('\0') {
            return Err(leaves());
        }
        let below = path.as_path().strip_prefix(self.job.dest.as_path());
        let depth = below.map_or(0, |below| below.components().count().saturating_sub(1));
        let mut parts = to.split('/').filter(|part| !matches!(*part, "" | "."));
        let up = parts.by_ref().take_while(|part| *part == "..").count();
        if up > depth || parts.any(|part| part == "..") {
            return Err(leaves());
        }
        Ok(())
    }

    fn refuse(&self, name: &[u8], why: &str) -> HostError {
        let shown: String = String::from_utf8_lossy(name).chars().take(200).collect();
        let source = &self.job.source;
        HostError::Refused(format!("the entry {shown:?} of {source} is refused: {why}"))
    }

    fn broken(&self, why: &dyn std::fmt::Display) -> HostError {
        broken(self.job, why)
    }
}

/// Reads at most `most` bytes and one more, which tells that there are too many.
pub(super) fn at_most(from: &mut dyn Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
