//! What a run had done when its host went down: what it goes on from.

use std::collections::BTreeMap;
use std::io;

use hpt_proto::wire::record::Record as Kind;
use hpt_proto::{Begun, Told};
use hpt_provisioner::report::{Event, Finished};
use hpt_provisioner::run::SoFar;
use hpt_provisioner::undo::Before;

use super::Journals;
use super::read::Reader;

/// How far a run had got that has rebooted its host; `None` if it has not.
pub(crate) fn so_far(journals: &Journals, id: &str) -> io::Result<Option<(Begun, SoFar)>> {
    let Some((mut reader, _, begun)) = Reader::of(journals, id)? else {
        return Ok(None);
    };
    let bad = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let begun = Begun::try_from(begun).map_err(bad)?;
    let mut so_far = SoFar::default();
    let mut ended = BTreeMap::<usize, Finished>::new();
    let mut reboot = None;
    while let Some(kind) = reader.next()? {
        match kind {
            Kind::Intents(intents) => {
                for intent in intents.intents {
                    let block = usize::try_from(intent.block).unwrap_or(usize::MAX);
                    if intent.reboot.is_some() {
                        reboot = Some(block);
                    } else {
                        let before = intent.before.iter().map(|text| Before::from_json(text));
                        so_far.log.add(block, before);
                    }
                }
            }
            Kind::Told(event) => {
                let told = Told::parse(event, &[], begun.blocks.len()).map_err(bad)?;
                if let Told::Event(Event::Finished(end)) = told {
                    ended.insert(end.block, end);
                }
            }
            Kind::Header(_) | Kind::Settled(_) => {}
        }
    }
    so_far.ended = ended.into_values().collect();
    let reboot = reboot.filter(|block| *block < begun.blocks.len());
    Ok(reboot.map(|reboot| (begun, SoFar { reboot, ..so_far })))
}
