//! What a run's journal says of it: told events, and how far it had got when it broke off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hpt_proto::Running;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{Begun, Doing, Header, Interrupted, Outcome, Reboot, Record};
use prost::Message;

use super::frame::Frames;
use super::{Journals, State};
use crate::confirm::boot;

/// A host that has not gone down by then was not rebooted.
const GOES_DOWN: Duration = Duration::from_mins(2);

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// Reads the records of a file from its beginning on, also while it grows.
pub(super) struct Reader {
    file: File,
    frames: Frames,
}

impl Reader {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            frames: Frames::default(),
        }
    }

    /// Of this run, behind what every journal begins with; `None` if there is no such run, or it never
    /// began.
    pub(super) fn of(journals: &Journals, id: &str) -> io::Result<Option<(Self, Header, Begun)>> {
        let Some(file) = journals.find(id)? else {
            return Ok(None);
        };
        let mut reader = Self::new(file);
        let header = reader.header()?;
        Ok(header.map(|(header, begun)| (reader, header, begun)))
    }

    /// Has what was read be there after a loss of power, too: whoever wrote it cannot any more.
    pub(super) fn make_durable(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// When something was written down last.
    fn written(&self) -> io::Result<Option<SystemTime>> {
        Ok(self.file.metadata()?.modified().ok())
    }

    /// The next record; `None` if there is no more of it yet.
    pub(super) fn next(&mut self) -> io::Result<Option<Kind>> {
        loop {
            if let Some(record) = self.frames.next() {
                let record = Record::decode(Bytes::copy_from_slice(record))
                    .map_err(|why| io::Error::new(ErrorKind::InvalidData, why))?;
                // What a later hpt wrote is passed over.
                if let Some(kind) = record.record {
                    return Ok(Some(kind));
                }
                continue;
            }
            let mut chunk = [0; CHUNK];
            match self.file.read(&mut chunk)? {
                0 => return Ok(None),
                read => self.frames.feed(&chunk[..read]),
            }
        }
    }

    /// What every journal begins with; `None` if its run never began.
    pub(super) fn header(&mut self) -> io::Result<Option<(Header, Begun)>> {
        let Some(Kind::Header(mut header)) = self.next()? else {
            return Ok(None);
        };
        Ok(header.begun.take().map(|begun| (header, begun)))
    }
}

/// How far a run had got.
pub(crate) struct Standing {
    begun: Begun,
    /// The block that has begun last, until it ends.
    at: Option<u32>,
    /// Blocks that have ended.
    done: BTreeSet<u32>,
    /// Blocks that were about to change the host, and whether by a command of their own.
    doubted: BTreeMap<u32, bool>,
    /// What earlier runs left in doubt and this one has not come to.
    carried: BTreeSet<String>,
    /// The block by which its host was about to be rebooted last, and how.
    reboot: Option<(u32, Reboot)>,
    /// When something was written down last.
    written: Option<SystemTime>,
    /// It has told its end.
    pub(crate) is_over: bool,
}

impl Standing {
    /// Reads a journal to its end.
    pub(crate) fn read(journals: &Journals, id: &str) -> io::Result<Option<Self>> {
        let Some((mut reader, header, begun)) = Reader::of(journals, id)? else {
            return Ok(None);
        };
        let mut this = Self {
            reboot: None,
            written: reader.written()?,
            begun,
            at: None,
            done: BTreeSet::new(),
            doubted: BTreeMap::new(),
            carried: header.in_doubt.into_iter().collect(),
            is_over: false,
        };
        while let Some(kind) = reader.next()? {
            this.hear(kind);
        }
        Ok(Some(this))
    }

    /// Which run it is, from the first of its journal; `None` if there is none, or it never began.
    pub(crate) fn running_of(journals: &Journals, id: &str) -> io::Result<Option<Running>> {
        let header = Reader::of(journals, id)?;
        Ok(header.map(|(_, _, begun)| begun.run.unwrap_or_default().into()))
    }

    /// Of the newest run.
    pub(crate) fn last(journals: &Journals) -> io::Result<Option<Self>> {
        Ok(Self::newest(journals)?.map(|(_, run)| run))
    }

    /// Of the newest run that broke off as it was about to run one of these blocks.
    pub(crate) fn who_left(journals: &Journals, blocks: &[String]) -> io::Result<Option<Self>> {
        for (id, _) in journals.all()?.into_iter().rev() {
            let run = Self::read(journals, &id)?;
            let left = |run: &Self| {
                let ids = run.doubted.keys().filter_map(|block| run.id(*block));
                ids.into_iter().any(|id| blocks.contains(&id))
            };
            if let Some(run) = run.filter(left) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Of the newest run, if it has no end. It is one that broke off if it does not hold the host.
    pub(crate) fn unfinished(journals: &Journals) -> io::Result<Option<Self>> {
        let newest = Self::newest(journals)?;
        Ok(newest
            .filter(|(state, run)| *state == State::Open && !run.is_over)
            .map(|(_, run)| run))
    }

    /// One that died before it could write down that it began is none.
    fn newest(journals: &Journals) -> io::Result<Option<(State, Self)>> {
        for (id, state) in journals.all()?.into_iter().rev() {
            if let Some(run) = Self::read(journals, &id)? {
                return Ok(Some((state, run)));
            }
        }
        Ok(None)
    }

    pub(crate) fn running(&self) -> Running {
        self.begun.run.clone().unwrap_or_default().into()
    }

    fn hear(&mut self, kind: Kind) {
        match kind {
            Kind::Intents(intents) => {
                for intent in intents.intents {
                    if let Some(reboot) = intent.reboot {
                        self.reboot = Some((intent.block, reboot));
                    }
                    *self.doubted.entry(intent.block).or_default() |= intent.unguarded;
                }
            }
            Kind::Told(told) => match told.event {
                Some(Event::Started(started)) => self.at = Some(started.block),
                Some(Event::Finished(end)) if end.outcome() != Outcome::NotRun => {
                    self.doubted.remove(&end.block);
                    self.at.take_if(|block| *block == end.block);
                    self.reboot.take_if(|(block, _)| *block == end.block);
                    // A block that is passed over leaves in doubt what is.
                    if end.outcome() != Outcome::Skipped
                        && let Some(block) = self.id(end.block)
                    {
                        self.carried.remove(&block);
                    }
                    self.done.insert(end.block);
                }
                Some(Event::Report(_)) => self.is_over = true,
                _ => {}
            },
            Kind::Header(_) | Kind::Settled(_) => {}
        }
    }

    /// The boot that it was about to end, if it has not gone on since.
    pub(crate) fn ends_boot(&self) -> Option<&str> {
        let (_, reboot) = self.reboot.as_ref()?;
        Some(&reboot.boot)
    }

    /// Whether its host goes down or comes back, and the run goes on in a moment: it holds the host as
    /// if its process were there. One that does not come back in its time has broken off.
    pub(crate) fn is_awaited(&self) -> bool {
        let Some((_, reboot)) = &self.reboot else {
            return false;
        };
        let away = Duration::from_secs(reboot.away.into());
        let most = match boot() {
            Ok(boot) if boot == reboot.boot => away.min(GOES_DOWN),
            _ => away,
        };
        let age = self.written.and_then(|written| written.elapsed().ok());
        !self.is_over && age.is_some_and(|age| age < most)
    }

    fn id(&self, block: u32) -> Option<String> {
        let block = usize::try_from(block).ok()?;
        Some(self.begun.blocks.get(block)?.id.clone())
    }

    /// The ids of blocks whose command may have run or not, and nobody can tell.
    pub(crate) fn commands_in_doubt(&self) -> BTreeSet<String> {
        let commands = self.doubted.iter().filter(|(_, command)| **command);
        commands
            .filter_map(|(block, _)| self.id(*block))
            .chain(self.carried.iter().cloned())
            .collect()
    }

    /// What is to be said of a run that broke off.
    pub(crate) fn interrupted(&self) -> Interrupted {
        let ids = |blocks: &mut dyn Iterator<Item = &u32>| -> Vec<String> {
            blocks.filter_map(|block| self.id(*block)).collect()
        };
        let known = self.done.len() + self.doubted.len();
        let left = self.begun.blocks.len().saturating_sub(known);
        Interrupted {
            run: self.begun.run.clone(),
            done: ids(&mut self.done.iter()),
            in_doubt: ids(&mut self.doubted.keys()),
            not_started: u32::try_from(left).unwrap_or(u32::MAX),
            commands: self.commands_in_doubt().into_iter().collect(),
        }
    }

    /// What the run is and does.
    pub(crate) fn doing(&self) -> Doing {
        Doing {
            config: self.begun.config.clone(),
            undoes: self.begun.undoes.clone(),
            block: self.at.and_then(|at| self.id(at)).unwrap_or_default(),
            cancelled_by: String::new(),
        }
    }
}
