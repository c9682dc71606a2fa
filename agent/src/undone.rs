//! What became of a run that nobody confirmed in time: the run that has undone it, and what of it stays.

use std::io;

use hpt_proto::Undone;
use hpt_proto::wire::ApplyEvent;
use hpt_proto::wire::apply_event::Event;
use hpt_provisioner::report::Outcome;

use crate::confirm::Confirmation;
use crate::journal::{Doings, Journals};

/// Who has undone this run, and how far; `None` if nobody has.
pub(crate) fn undone(journals: &Journals, run: &str) -> io::Result<Option<Undone>> {
    let by = Confirmation::of(journals, run).and_then(|of| of.reverted_by());
    let Some(by) = by else {
        return Ok(None);
    };
    let stays = stays(journals, &by)?;
    Ok(Some(Undone { by, stays }))
}

/// The ids of blocks that this run should have put back and has not, or not wholly.
fn stays(journals: &Journals, by: &str) -> io::Result<Vec<String>> {
    // One without a journal was killed before it began.
    let doings = Doings::of(journals, by)?;
    let blocks = doings.into_iter().flat_map(|doings| doings.blocks);
    let is_back = |outcome| matches!(outcome, Some(Outcome::Reverted | Outcome::Ok));
    let stays = blocks.filter(|doing| !is_back(doing.deed.outcome));
    Ok(stays.map(|doing| doing.block.id).collect())
}

/// Adds that to the end of a run as its journal tells it.
pub(crate) fn add(journals: &Journals, run: &str, end: &mut ApplyEvent) -> io::Result<()> {
    if let Some(Event::Report(report)) = &mut end.event {
        report.undone = undone(journals, run)?.map(Into::into);
    }
    Ok(())
}
