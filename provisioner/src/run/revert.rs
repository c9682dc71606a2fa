//! A health gate, and the end of a run that does not pass it: what the run has changed is put back, as
//! an undo of the whole run would do it.

use std::io;
use std::time::Duration;

use super::{Ended, Intent, LOOK, Run, Stop, Witness, ended, not_run};
use crate::host::probe::Probe;
use crate::report::{Event, Finished, Outcome};
use crate::undo::{Change, undo};

impl Run<'_> {
    /// Looks again and again until what is probed is as expected, or its time is up.
    pub(super) fn check(&mut self, index: usize, probe: &Probe, within: Duration) -> Ended {
        self.witness.tell(Event::Started { block: index });
        let mut waited = Duration::ZERO;
        loop {
            let looked = self.host.probe(probe, within.saturating_sub(waited));
            waited += looked.took;
            let Some(wrong) = looked.wrong else {
                return Ok(ended(index, Outcome::Ok, "it is well"));
            };
            if !self.witness.go_on() {
                self.stopped = Some(Stop::Cancelled);
                return Ok(not_run(index));
            }
            self.host.pause(LOOK);
            waited += LOOK;
            if waited >= within {
                let seconds = within.as_secs();
                return Err(format!("it was not well within {seconds} s: {wrong}"));
            }
        }
    }

    /// Puts back what the run has changed, if it has changed anything. What cannot be put back stays,
    /// and is told.
    pub(super) fn revert(&mut self) -> bool {
        let log = std::mem::take(&mut self.log);
        let (blocks, changes): (Vec<usize>, Vec<Change>) = log
            .newest_first()
            .map(|(block, before)| {
                let id = self.config.blocks[block].id.clone();
                (block, Change::new(id, before))
            })
            .unzip();
        let mut witness = Indexed {
            witness: &mut *self.witness,
            blocks: &blocks,
        };
        let report = undo(&changes, &mut *self.host, &mut witness);
        for end in report.blocks {
            self.reverted(Finished {
                block: blocks[end.block],
                ..end
            });
        }
        // What was put back has nothing for its handlers to notice.
        let due = std::mem::take(&mut self.due);
        self.forget_unmoved(due, &blocks);
        !blocks.is_empty()
    }

    /// What has become of one block by the undo of its changes.
    fn reverted(&mut self, end: Finished) {
        let block = end.block;
        let before = self.finished[block].as_ref().map(|end| end.outcome);
        let (outcome, note) = match end.outcome {
            Outcome::Skipped => (Outcome::Changed, format!("it stays: {}", end.note)),
            Outcome::Failed => (
                Outcome::Failed,
                format!("it could not be put back: {}", end.note),
            ),
            Outcome::NotRun => (Outcome::Changed, "it was not put back".to_owned()),
            Outcome::Ok | Outcome::Changed | Outcome::Reverted => (Outcome::Reverted, end.note),
        };
        if before == Some(Outcome::Changed) {
            self.finish(Finished {
                outcome,
                note,
                ..end
            });
        } else if outcome != Outcome::Reverted {
            // It had failed before it was brought about, and that is what it has come to.
            let text = self.mask().whole(&note);
            self.witness.tell(Event::Note { block, text });
        }
    }
}

/// Tells of blocks by their places in the run, and not in what is undone.
struct Indexed<'a> {
    witness: &'a mut dyn Witness,
    blocks: &'a [usize],
}

impl Witness for Indexed<'_> {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        let intents = intents.iter().cloned().map(|intent| Intent {
            block: self.blocks[intent.block],
            ..intent
        });
        self.witness.intend(&intents.collect::<Vec<_>>())
    }

    fn tell(&mut self, event: Event) {
        let of = |block: usize| self.blocks[block];
        let event = match event {
            Event::Started { block } => Event::Started { block: of(block) },
            Event::Output {
                block,
                stream,
                bytes,
            } => Event::Output {
                block: of(block),
                stream,
                bytes,
            },
            Event::Note { block, text } => Event::Note {
                block: of(block),
                text,
            },
            Event::Finished(_) => return, // the run says so in its own words
        };
        self.witness.tell(event);
    }

    fn settle(&mut self) -> io::Result<()> {
        self.witness.settle()
    }

    /// Half of it put back would be neither the one nor the other.
    fn go_on(&mut self) -> bool {
        true
    }
}
