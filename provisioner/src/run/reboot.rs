//! A reboot in the midst of a run, and what a run has to know that goes on after one.

use std::time::Duration;

use super::act::unrecorded;
use super::{Ended, Intent, Run, Stop, ended};
use crate::report::{Event, Finished, Outcome, REBOOTS};
use crate::undo::Log;

/// How far a run had got when its host went down.
#[derive(Debug, Clone, Default)]
pub struct SoFar {
    /// The blocks that have ended, in any order.
    pub ended: Vec<Finished>,
    /// What they have replaced.
    pub log: Log,
    /// The block that the host was rebooted by.
    pub reboot: usize,
}

impl Run<'_> {
    /// Takes over what was done before the reboot; the block from which it goes on.
    pub(super) fn take_over(&mut self, so_far: SoFar) -> usize {
        self.log = so_far.log;
        let mut ended = so_far.ended;
        ended.sort_by_key(|end| end.block);
        for end in ended {
            let block = &self.config.blocks[end.block];
            if end.outcome == Outcome::Changed {
                self.notices.add(block, true);
                self.notices.done(self.config, end.block);
            }
            self.keep_result(&end);
            let block = end.block;
            self.finished[block] = Some(end);
        }
        // Who knows what a boot has changed of it.
        self.opaque = true;
        self.finish(ended_well(so_far.reboot));
        self.keep_ends();
        so_far.reboot + 1
    }

    pub(super) fn reboot(&mut self, index: usize, within: Duration) -> Ended {
        self.witness.tell(Event::Started { block: index });
        // What was put off until something needs it is needed now.
        self.host.settle().map_err(|why| why.to_string())?;
        if let Err(why) = self.witness.intend(&[Intent::reboot(index, within)]) {
            self.stopped = Some(Stop::Unrecorded);
            return Err(unrecorded(&why).to_string());
        }
        let text = REBOOTS.to_owned();
        self.witness.tell(Event::Note { block: index, text });
        if let Err(why) = self.witness.settle() {
            self.stopped = Some(Stop::Unrecorded);
            return Err(unrecorded(&why).to_string());
        }
        self.host.reboot(within).map_err(|why| why.to_string())?;
        self.opaque = true;
        Ok(ended_well(index))
    }
}

fn ended_well(index: usize) -> Finished {
    ended(index, Outcome::Changed, "the host is back")
}
