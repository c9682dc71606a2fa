//! What a run has done, from its journal: what the ledger is settled by.

use std::collections::BTreeMap;
use std::io;

use hpt_proto::convert::outcome;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_provisioner::ledger::{By, Deed, Deeds};
use hpt_provisioner::undo::Before;

use super::Journals;
use super::read::Reader;

/// Of this run; `None` if there is no such run.
pub(crate) fn deeds_of(journals: &Journals, run: &str) -> io::Result<Option<Deeds>> {
    let Some(file) = journals.find(run)? else {
        return Ok(None);
    };
    let mut reader = Reader::new(file);
    let Some((header, begun)) = reader.header()? else {
        return Ok(None);
    };
    let mut blocks: BTreeMap<u32, Deed> = BTreeMap::new();
    while let Some(kind) = reader.next()? {
        match kind {
            Kind::Intents(intents) => {
                for intent in intents.intents {
                    let deed = blocks.entry(intent.block).or_default();
                    deed.adds |= intent.adds;
                    let before = intent.before.iter().map(|text| Before::from_json(text));
                    deed.before.extend(before);
                }
            }
            Kind::Told(told) => match told.event {
                Some(Event::Finished(end)) => {
                    blocks.entry(end.block).or_default().outcome = outcome(end.outcome());
                }
                Some(Event::Report(report)) => {
                    for end in report.blocks {
                        blocks.entry(end.block).or_default().outcome = outcome(end.outcome());
                    }
                }
                _ => {}
            },
            Kind::Header(_) => {}
        }
    }
    let running = begun.run.unwrap_or_default();
    let id = |index: u32| {
        let index = usize::try_from(index).ok()?;
        Some(begun.blocks.get(index)?.id.clone())
    };
    let named = blocks
        .into_iter()
        .filter_map(|(index, deed)| Some((id(index)?, deed)));
    Ok(Some(Deeds {
        by: By {
            run: running.run,
            client: running.by,
            key: header.key,
            time: running.since,
        },
        blocks: named.collect(),
    }))
}
