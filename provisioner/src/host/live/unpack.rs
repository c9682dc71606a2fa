//! Unpacks archives on the real host, by the same steps that put files in place.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};

use super::Live;
use super::command::{End, Spawn};
use super::files;
use super::spot::failed;
use crate::effect::{Content, Effect, UnpackJob};
use crate::host::archive::{self, Packing, Sink, at_most};
use crate::host::{EntryKind, HostError, Stream};
use crate::name::AbsPath;

/// A file up to this length is held in memory until its batch is put in place.
const SHORT: u64 = 4 << 20;
/// A batch holds no more bytes than this, and one file,
const MOST_BYTES: u64 = 32 << 20;
/// and no more entries.
const MOST_ENTRIES: usize = 512;
/// A file that has two names in an archive is read again up to this length.
const MOST_AGAIN: u64 = 256 << 20;
/// What a program may unpack an archive to, in bytes.
const MOST_UNPACKED: u64 = 9 << 30;

/// Unpacks an archive below a directory that is there.
pub(super) fn unpack(live: &Live, job: &UnpackJob) -> Result<(), HostError> {
    let broken = |why: &io::Error| HostError::io("cannot read the archive", &job.source, why);
    let missing = || HostError::MissingBlob(job.source.clone());
    let mut archive = live.blobs.open(&job.hash)?.ok_or_else(missing)?;
    if let Packing::By(program) = archive::packing(&mut archive).map_err(|e| broken(&e))? {
        archive = unpacked_by(live, program, archive, job)?;
    }
    let mut batch = Batch {
        live,
        effects: Vec::new(),
        bytes: 0,
    };
    archive::unpack(
        io::BufReader::with_capacity(64 << 10, archive),
        job,
        &mut batch,
    )?;
    batch.flush()
}

/// What a program of the system makes of a packed archive, in a file without a name.
fn unpacked_by(
    live: &Live,
    program: &'static str,
    archive: File,
    job: &UnpackJob,
) -> Result<File, HostError> {
    let broken = |why: &io::Error| HostError::io("cannot unpack", &job.source, why);
    let mut plain = live.blobs.unnamed().map_err(|e| broken(&e))?;
    let mut spawn = Spawn::tool(program, ["-dc"]);
    spawn.stdin_file = Some(archive);
    let (mut room, mut written) = (MOST_UNPACKED, Ok(()));
    let mut said = Vec::new();
    let end = spawn.run(&mut |stream, bytes| {
        if stream == Stream::Stderr {
            if said.len() < 4096 {
                said.extend_from_slice(bytes);
            }
        } else if written.is_ok() {
            let length = u64::try_from(bytes.len()).expect("a length fits 64 bits");
            written = match room.checked_sub(length) {
                Some(rest) => {
                    room = rest;
                    plain.write_all(bytes)
                }
                None => Err(io::Error::other("it unpacks to more than 9 GiB")),
            };
        }
    });
    match end {
        Err(HostError::Program { .. }) => {
            let why = format!(
                "{} is packed by {program}, which this host lacks; install it with a [[package]] block before this one",
                job.source
            );
            return Err(HostError::Refused(why));
        }
        Err(error) => return Err(error),
        Ok(End::Exit(0)) => {}
        Ok(end) => {
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(spawn.failed(format!("{end}: {said}")));
        }
    }
    written.map_err(|e| broken(&e))?;
    plain.rewind().map_err(|e| broken(&e))?;
    Ok(plain)
}

/// What is put in place at once.
struct Batch<'a> {
    live: &'a Live,
    effects: Vec<Effect>,
    bytes: u64,
}

impl Batch<'_> {
    fn flush(&mut self) -> Result<(), HostError> {
        self.bytes = 0;
        let effects = std::mem::take(&mut self.effects);
        if effects.is_empty() {
            return Ok(());
        }
        self.live
            .write(&effects)
            .into_iter()
            .try_for_each(|answer| answer.map(drop))
    }
}

impl Sink for Batch<'_> {
    fn keep(&mut self, from: &mut dyn Read, most: u64) -> Result<Content, HostError> {
        let cannot = |e: io::Error| HostError::io("cannot unpack", "a file", &e);
        let short = at_most(from, SHORT.min(most)).map_err(cannot)?;
        let length = u64::try_from(short.len()).expect("a length fits 64 bits");
        if length <= SHORT {
            return Ok(Content::Inline(short.into()));
        }
        let mut all = short
            .as_slice()
            .chain(from.take(most.saturating_sub(length) + 1));
        let (hash, size) = self.live.blobs.keep(&mut all).map_err(cannot)?;
        Ok(Content::Blob {
            hash,
            size,
            only: true,
        })
    }

    fn again(&mut self, path: &AbsPath) -> Result<Content, HostError> {
        self.flush()?;
        let spot = self.live.tree.spot(path)?;
        let bytes = match spot {
            Some(spot) => files::read_up_to(&spot, path, MOST_AGAIN)?,
            None => None,
        };
        let none =
            || HostError::Refused(format!("the archive links to {path}, which is not there"));
        Ok(Content::Inline(bytes.ok_or_else(none)?.into()))
    }

    fn has_dir(&mut self, path: &AbsPath) -> Result<bool, HostError> {
        let spot = self.live.tree.spot(path)?;
        let entry = spot.map_or(Ok(None), |spot| spot.entry());
        let entry = entry.map_err(|e| failed("cannot look at", path, e))?;
        Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Dir))
    }

    fn put(&mut self, effect: Effect) -> Result<(), HostError> {
        if let Effect::WriteFile(file) = &effect {
            self.bytes += file.content.size();
        }
        self.effects.push(effect);
        if self.effects.len() >= MOST_ENTRIES || self.bytes >= MOST_BYTES {
            return self.flush();
        }
        Ok(())
    }
}
