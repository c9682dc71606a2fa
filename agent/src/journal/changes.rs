//! What a run has changed, from its journal: what an undo begins with.

use std::collections::BTreeSet;
use std::io;

use hpt_proto::wire::Outcome;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_proto::{Begun, BlockName};
use hpt_provisioner::undo::{Before, Change, Log};

use super::Journals;
use super::read::Reader;

/// A run that may be undone.
pub(crate) struct Past {
    pub(crate) begun: Begun,
    /// The blocks that have changed something, newest first.
    pub(crate) blocks: Vec<BlockName>,
    /// What each of them has changed.
    pub(crate) changes: Vec<Change>,
}

impl Past {
    /// Of this run; `None` if there is no such run.
    pub(crate) fn of(journals: &Journals, id: &str) -> io::Result<Option<Self>> {
        let Some((mut reader, _, begun)) = Reader::of(journals, id)? else {
            return Ok(None);
        };
        let bad = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let begun = Begun::try_from(begun).map_err(bad)?;
        let mut log = Log::default();
        let mut reverted = BTreeSet::new();
        while let Some(kind) = reader.next()? {
            match kind {
                Kind::Intents(intents) => {
                    // Nothing is left of a reboot.
                    let lasting = intents.intents.iter().filter(|it| it.reboot.is_none());
                    for intent in lasting {
                        let before = intent.before.iter().map(|text| Before::from_json(text));
                        log.add(index(intent.block), before);
                    }
                }
                Kind::Told(told) => {
                    if let Some(Event::Finished(end)) = told.event
                        && end.outcome() == Outcome::Reverted
                    {
                        reverted.insert(index(end.block));
                    }
                }
                Kind::Header(_) | Kind::Settled(_) => {}
            }
        }
        // What an undo has put back can be undone, and what a run has put back by itself cannot.
        if !begun.undoes.is_empty() {
            reverted.clear();
        }
        let mut this = Self {
            begun,
            blocks: Vec::new(),
            changes: Vec::new(),
        };
        let changed = log.newest_first();
        for (index, before) in changed.filter(|(index, _)| !reverted.contains(index)) {
            let Some(name) = this.begun.blocks.get(index).cloned() else {
                continue;
            };
            this.changes.push(Change::new(name.id.clone(), before));
            this.blocks.push(name);
        }
        Ok(Some(this))
    }

    /// Of the newest run that has changed something, is no undo, and was not undone.
    pub(crate) fn last(journals: &Journals) -> io::Result<Option<Self>> {
        let mut undone = BTreeSet::new();
        for id in journals.ids()?.iter().rev() {
            let Some(past) = Self::of(journals, id)? else {
                continue;
            };
            if !past.begun.undoes.is_empty() {
                undone.insert(past.begun.undoes);
            } else if !past.changes.is_empty() && !undone.contains(id) {
                return Ok(Some(past));
            }
        }
        Ok(None)
    }
}

fn index(block: u32) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}
