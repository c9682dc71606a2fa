//! Writing a run's journal: the witness that every run on a real host has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{self, ApplyEvent, Header, Intents, Record, Settled};
use hpt_proto::{Begun, End, Told};
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Intent, Witness};
use prost::Message;

use super::frame::{Chain, Frames, LONGEST};
use super::{Journals, State};
use crate::confirm::boot;

/// How much of what commands write is kept, in bytes.
const OUTPUT: usize = 16 << 20;
/// Where a record of intents ends and another begins, in bytes.
const INTENTS: usize = 1 << 20;

/// The journal of a run that goes on.
pub(crate) struct Journal<'a> {
    file: File,
    length: u64,
    /// What of it may not be on disk.
    loose: Vec<u8>,
    /// The disk has refused it, and has perhaps forgotten it since.
    is_lost: bool,
    chain: Chain,
    /// Of all that is in the file.
    digest: blake3::Hasher,
    open: PathBuf,
    ended: PathBuf,
    /// What has finished and is not in the file yet, and when.
    held: Vec<(Event, u64)>,
    /// What is, and nobody is told of before it is on disk.
    untold: Vec<Event>,
    output: usize,
    /// The file that says that the run is to stop, and for whom.
    cancel: PathBuf,
    /// The client that it stops for.
    cancelled_by: Option<String>,
    /// How old the run was when this process began to write, and when that was.
    age: Duration,
    since: Instant,
    listener: &'a mut dyn FnMut(Told),
}

impl<'a> Journal<'a> {
    /// Begins the journal of a run that holds the host; `of` says what it carries on from others, and whose
    /// it is. What earlier runs left open is put away.
    pub(crate) fn begin(
        journals: &Journals,
        begun: Begun,
        of: Header,
        cancel: PathBuf,
        listener: &'a mut dyn FnMut(Told),
    ) -> io::Result<Self> {
        let id = begun.running.run.clone();
        let id = id.as_str();
        let open = journals.path(id, State::Open);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&open)?;
        let mut this = Self {
            ended: journals.path(id, State::Ended),
            file,
            length: 0,
            loose: Vec::new(),
            is_lost: false,
            chain: Chain::default(),
            digest: blake3::Hasher::new(),
            open,
            held: Vec::new(),
            untold: Vec::new(),
            output: 0,
            cancel,
            cancelled_by: None,
            age: Duration::ZERO,
            since: Instant::now(),
            listener,
        };
        let header = Header {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            begun: Some(begun.clone().into()),
            ..of
        };
        this.append([Kind::Header(header)])?;
        this.sync()?;
        File::open(&journals.dir)?.sync_all()?;
        // Not before this one has taken over what is in doubt.
        journals.put_away(Some(id))?;
        (this.listener)(Told::Begun(begun));
        Ok(this)
    }

    /// Goes on with the journal of a run that goes on after a reboot and holds the host, so long after
    /// its beginning. What was not wholly written then is dropped.
    pub(crate) fn go_on(
        journals: &Journals,
        begun: Begun,
        age: Duration,
        cancel: PathBuf,
        listener: &'a mut dyn FnMut(Told),
    ) -> io::Result<Self> {
        let id = begun.running.run.as_str();
        let open = journals.path(id, State::Open);
        let mut frames = Frames::default();
        frames.feed(&fs::read(&open)?);
        let (mut chain, mut whole) = (Chain::default(), Vec::new());
        while let Some(record) = frames.next() {
            chain.write(record, &mut whole);
        }
        let file = OpenOptions::new().write(true).open(&open)?;
        let length = u64::try_from(whole.len()).expect("a length");
        file.set_len(length)?;
        let mut digest = blake3::Hasher::new();
        digest.update(&whole);
        let this = Self {
            ended: journals.path(id, State::Ended),
            file,
            length,
            loose: Vec::new(),
            is_lost: false,
            chain,
            digest,
            open,
            held: Vec::new(),
            untold: Vec::new(),
            output: 0,
            cancel,
            cancelled_by: None,
            age,
            since: Instant::now(),
            listener,
        };
        (this.listener)(Told::Begun(begun));
        Ok(this)
    }

    /// The client that had the run stop, if it did.
    pub(crate) fn cancelled_by(&self) -> Option<String> {
        self.cancelled_by.clone()
    }

    /// Ends the journal with the end of its run; may be tried again if it fails.
    pub(crate) fn end(&mut self, end: &End) -> io::Result<()> {
        let records = self.last(end);
        self.keep(records)?;
        fs::rename(&self.open, &self.ended)?;
        let _ = fs::remove_file(&self.cancel);
        Ok(())
    }

    /// The BLAKE3 hash of the whole file once it has this end.
    pub(crate) fn digest_with(&self, end: &End) -> blake3::Hash {
        let mut digest = self.digest.clone();
        // What is too long for the file is not in it either.
        if let Ok((bytes, _)) = self.frames(self.last(end)) {
            digest.update(&bytes);
        }
        digest.finalize()
    }

    /// What is held, and the end.
    fn last(&self, end: &End) -> Vec<Kind> {
        let mut records = self.held();
        records.push(Kind::Told(Told::End(end.clone()).into()));
        records
    }

    /// Records as they follow in the file, and the chain after them.
    fn frames(&self, records: impl IntoIterator<Item = Kind>) -> io::Result<(Vec<u8>, Chain)> {
        let mut bytes = Vec::new();
        let mut chain = self.chain;
        for record in records {
            let record = Some(record);
            let record = Record { record }.encode_to_vec();
            if record.len() > LONGEST {
                let why = "a record of it would be longer than its readers take";
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
            chain.write(&record, &mut bytes);
        }
        Ok((bytes, chain))
    }

    /// Adds records, all of them or none.
    fn append(&mut self, records: impl IntoIterator<Item = Kind>) -> io::Result<()> {
        let (bytes, chain) = self.frames(records)?;
        if let Err(why) = self.file.write_all_at(&bytes, self.length) {
            // What follows half a record could not be read.
            self.file.set_len(self.length)?;
            return Err(why);
        }
        self.length += u64::try_from(bytes.len()).expect("a length");
        self.chain = chain;
        self.digest.update(&bytes);
        self.loose.extend_from_slice(&bytes);
        Ok(())
    }

    /// Makes all that is in the file durable. A disk that has failed to once may have dropped what it was
    /// given and say nothing of it the next time, so that it is given all of it again.
    fn sync(&mut self) -> io::Result<()> {
        if self.is_lost {
            let loose = u64::try_from(self.loose.len()).expect("a length");
            self.file.write_all_at(&self.loose, self.length - loose)?;
        }
        self.is_lost = true;
        self.file.sync_data()?;
        self.is_lost = false;
        self.loose.clear();
        Ok(())
    }

    /// An event, if it is not more output than is kept.
    fn within_bounds(&mut self, event: Event) -> Option<Event> {
        let Event::Output { block, bytes, .. } = &event else {
            return Some(event);
        };
        let before = self.output;
        self.output += bytes.len();
        let text = || "no more of what commands write is kept".to_owned();
        match (before > OUTPUT, self.output > OUTPUT) {
            (_, false) => Some(event),
            (false, true) => Some(Event::Note {
                block: *block,
                text: text(),
            }),
            (true, true) => None,
        }
    }

    /// What is held, in records.
    fn held(&self) -> Vec<Kind> {
        let held = self.held.iter();
        held.map(|(event, at)| told(event, *at)).collect()
    }

    /// How old the run is, in milliseconds.
    fn now(&self) -> u64 {
        let age = self.age + self.since.elapsed();
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes records durable that begin with what was held, and then tells that.
    fn keep(&mut self, records: Vec<Kind>) -> io::Result<()> {
        self.append(records)?;
        let held = self.held.drain(..).map(|(event, _)| event);
        self.untold.extend(held);
        self.sync()?;
        for event in self.untold.drain(..) {
            (self.listener)(Told::Event(event));
        }
        Ok(())
    }

    /// The same, so that who follows the run is told as well.
    fn keep_and_tell(&mut self, records: Vec<Kind>) -> io::Result<()> {
        self.keep(records)?;
        // Without it they hear of it later.
        let _ = self.append([Kind::Settled(Settled {})]);
        Ok(())
    }
}

/// An event as it is kept, which happened then.
fn told(event: &Event, at: u64) -> Kind {
    let event = ApplyEvent::from(Told::Event(event.clone()));
    Kind::Told(ApplyEvent {
        at: Some(at),
        ..event
    })
}

/// Whether nobody is told of such an end before it is on disk.
fn is_kept(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Changed | Outcome::Failed | Outcome::Reverted
    )
}

/// Intents in records that are short enough: a block alone may have tens of thousands.
fn bounded(intents: Vec<wire::Intent>) -> impl Iterator<Item = Intents> {
    let mut left = intents.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut intents = Vec::from([left.next()?]);
        let mut length = intents[0].encoded_len();
        while let Some(next) = left.next_if(|next| length + next.encoded_len() <= INTENTS) {
            length += next.encoded_len();
            intents.push(next);
        }
        Some(Intents { intents })
    })
}

impl Witness for Journal<'_> {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        let mut intents: Vec<wire::Intent> = intents.iter().map(Into::into).collect();
        for reboot in intents.iter_mut().filter_map(|i| i.reboot.as_mut()) {
            reboot.boot = boot()?;
        }
        let mut records = self.held();
        records.extend(bounded(intents).map(Kind::Intents));
        self.keep_and_tell(records)
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished(end) = &event
            && (is_kept(end.outcome) || !self.held.is_empty())
        {
            let now = self.now();
            return self.held.push((event, now));
        }
        let Some(event) = self.within_bounds(event) else {
            return;
        };
        // What is lost of it is not what the run has done.
        let _ = self.append([told(&event, self.now())]);
        (self.listener)(Told::Event(event));
    }

    fn settle(&mut self) -> io::Result<()> {
        let records = self.held();
        self.keep_and_tell(records)
    }

    fn go_on(&mut self) -> bool {
        if self.cancelled_by.is_none() && self.cancel.exists() {
            self.cancelled_by = Some(fs::read_to_string(&self.cancel).unwrap_or_default());
        }
        self.cancelled_by.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J1: a block of tens of thousands of files is on record whole, in records that readers take.
    #[test]
    fn intents_are_written_in_records_that_are_short_enough() {
        let intent = |block| wire::Intent {
            block,
            what: "w".repeat(400),
            ..wire::Intent::default()
        };
        let records: Vec<_> = bounded((0..13_000).map(intent).collect()).collect();
        assert!(records.iter().all(|record| record.encoded_len() < LONGEST));
        let blocks = records.iter().flat_map(|record| &record.intents);
        assert!(blocks.map(|intent| intent.block).eq(0..13_000));
        assert_eq!(bounded(Vec::new()).count(), 0);
    }
}
