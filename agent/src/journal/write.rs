//! Writing a run's journal: the witness that every run on a real host has.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{self, ApplyEvent, Header, Intents, Record};
use hpt_proto::{Begun, End, Told};
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Intent, Witness};
use prost::Message;

use super::frame::{Chain, Frames};
use super::{Journals, State};
use crate::confirm::boot;

/// How much of what commands write is kept, in bytes.
const OUTPUT: usize = 16 << 20;

/// The journal of a run that goes on.
pub(crate) struct Journal<'a> {
    file: File,
    length: u64,
    chain: Chain,
    /// Of all that is in the file.
    digest: blake3::Hasher,
    open: PathBuf,
    ended: PathBuf,
    /// What has finished and is not on disk yet, and when.
    held: Vec<(Event, u64)>,
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
    /// Begins the journal of a run that holds the host, of who asked for it with this key. What earlier
    /// runs left open is put away.
    pub(crate) fn begin(
        journals: &Journals,
        begun: Begun,
        in_doubt: BTreeSet<String>,
        key: &str,
        cancel: PathBuf,
        listener: &'a mut dyn FnMut(Told),
    ) -> io::Result<Self> {
        let id = begun.running.run.clone();
        let id = id.as_str();
        let open = journals.path(id, State::Open);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&open)?;
        let mut this = Self {
            ended: journals.path(id, State::Ended),
            file,
            length: 0,
            chain: Chain::default(),
            digest: blake3::Hasher::new(),
            open,
            held: Vec::new(),
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
            in_doubt: in_doubt.into_iter().collect(),
            key: key.to_owned(),
        };
        this.append([Kind::Header(header)])?;
        this.file.sync_data()?;
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
        let file = OpenOptions::new().append(true).open(&open)?;
        let length = u64::try_from(whole.len()).expect("a length");
        file.set_len(length)?;
        let mut digest = blake3::Hasher::new();
        digest.update(&whole);
        let this = Self {
            ended: journals.path(id, State::Ended),
            file,
            length,
            chain,
            digest,
            open,
            held: Vec::new(),
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
        let (bytes, _) = self.frames(self.last(end));
        self.digest.clone().update(&bytes).finalize()
    }

    /// What is held, and the end.
    fn last(&self, end: &End) -> Vec<Kind> {
        let mut records = self.held();
        records.push(Kind::Told(Told::End(end.clone()).into()));
        records
    }

    /// Records as they follow in the file, and the chain after them.
    fn frames(&self, records: impl IntoIterator<Item = Kind>) -> (Vec<u8>, Chain) {
        let mut bytes = Vec::new();
        let mut chain = self.chain;
        for record in records {
            let record = Some(record);
            chain.write(&Record { record }.encode_to_vec(), &mut bytes);
        }
        (bytes, chain)
    }

    /// Adds records, all of them or none.
    fn append(&mut self, records: impl IntoIterator<Item = Kind>) -> io::Result<()> {
        let (bytes, chain) = self.frames(records);
        if let Err(why) = self.file.write_all(&bytes) {
            // What follows half a record could not be read.
            self.file.set_len(self.length)?;
            return Err(why);
        }
        self.length += u64::try_from(bytes.len()).expect("a length");
        self.chain = chain;
        self.digest.update(&bytes);
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

    /// Makes records durable, and then tells what was held.
    fn keep(&mut self, records: Vec<Kind>) -> io::Result<()> {
        self.append(records)?;
        self.file.sync_data()?;
        for (event, _) in self.held.drain(..) {
            (self.listener)(Told::Event(event));
        }
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

impl Witness for Journal<'_> {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        let mut intents: Vec<wire::Intent> = intents.iter().map(Into::into).collect();
        for reboot in intents.iter_mut().filter_map(|i| i.reboot.as_mut()) {
            reboot.boot = boot()?;
        }
        let mut records = self.held();
        records.push(Kind::Intents(Intents { intents }));
        self.keep(records)
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
        self.keep(records)
    }

    fn go_on(&mut self) -> bool {
        if self.cancelled_by.is_none() && self.cancel.exists() {
            self.cancelled_by = Some(fs::read_to_string(&self.cancel).unwrap_or_default());
        }
        self.cancelled_by.is_none()
    }
}
