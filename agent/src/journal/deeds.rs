//! What a run has done, from its journal: what the ledger is settled by, and `hpt why` tells.

use std::collections::BTreeMap;
use std::io;

use hpt_proto::convert::outcome;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{BlockName, Finished};
use hpt_provisioner::ledger::{By, Deed, Deeds};
use hpt_provisioner::undo::Before;

use super::Journals;
use super::read::Reader;

/// What a run has done, block by block.
pub(crate) struct Doings {
    /// The run.
    pub(crate) by: By,
    /// Those of its blocks that were about to change something, or have ended, in the order of the run.
    pub(crate) blocks: Vec<Doing>,
}

/// What a run has done for one block.
pub(crate) struct Doing {
    pub(crate) block: BlockName,
    /// In words, without any content.
    pub(crate) what: Vec<String>,
    pub(crate) deed: Deed,
}

impl Doings {
    /// Of this run; `None` if there is no such run.
    pub(crate) fn of(journals: &Journals, run: &str) -> io::Result<Option<Self>> {
        let Some((mut reader, header, begun)) = Reader::of(journals, run)? else {
            return Ok(None);
        };
        let mut done: BTreeMap<u32, (Vec<String>, Deed)> = BTreeMap::new();
        let mut end = |end: Finished| {
            let (_, deed) = done.entry(end.block).or_default();
            deed.outcome = outcome(end.outcome());
        };
        let mut intents = Vec::new();
        while let Some(kind) = reader.next()? {
            match kind {
                Kind::Intents(all) => intents.extend(all.intents),
                Kind::Told(told) => match told.event {
                    Some(Event::Finished(finished)) => end(finished),
                    Some(Event::Report(report)) => report.blocks.into_iter().for_each(&mut end),
                    _ => {}
                },
                Kind::Header(_) | Kind::Settled(_) => {}
            }
        }
        for intent in intents {
            let (what, deed) = done.entry(intent.block).or_default();
            what.push(intent.what);
            deed.adds |= intent.adds;
            let before = intent.before.iter().map(|text| Before::from_json(text));
            deed.before.extend(before);
        }
        let running = begun.run.unwrap_or_default();
        let named = done.into_iter().filter_map(|(index, (what, deed))| {
            let block = begun.blocks.get(usize::try_from(index).ok()?)?.clone();
            Some(Doing { block, what, deed })
        });
        Ok(Some(Self {
            blocks: named.collect(),
            by: By {
                run: running.run,
                client: running.by,
                key: header.key,
                time: running.since,
            },
        }))
    }

    /// As the ledger is settled by it.
    pub(crate) fn deeds(self) -> Deeds {
        let blocks = self.blocks.into_iter();
        Deeds {
            by: self.by,
            blocks: blocks.map(|doing| (doing.block.id, doing.deed)).collect(),
        }
    }
}
