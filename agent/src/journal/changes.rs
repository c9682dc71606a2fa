//! What a run has changed, from its journal: what an undo begins with.

use std::io;

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
        while let Some(kind) = reader.next()? {
            let Kind::Intents(intents) = kind else {
                continue;
            };
            for intent in intents.intents {
                if intent.reboot.is_some() {
                    continue; // nothing is left of it
                }
                let block = usize::try_from(intent.block).unwrap_or(usize::MAX);
                let before = intent.before.iter().map(|text| Before::from_json(text));
                log.add(block, before);
            }
        }
        let mut this = Self {
            begun,
            blocks: Vec::new(),
            changes: Vec::new(),
        };
        for (index, before) in log.newest_first() {
            let Some(name) = this.begun.blocks.get(index).cloned() else {
                continue;
            };
            this.changes.push(Change::new(name.id.clone(), before));
            this.blocks.push(name);
        }
        Ok(Some(this))
    }

    /// Of the newest run that has changed something.
    pub(crate) fn last(journals: &Journals) -> io::Result<Option<Self>> {
        for id in journals.ids()?.iter().rev() {
            if let Some(past) = Self::of(journals, id)?.filter(|past| !past.changes.is_empty()) {
                return Ok(Some(past));
            }
        }
        Ok(None)
    }
}
