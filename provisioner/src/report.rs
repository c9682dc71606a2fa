//! What a run tells while it goes on, and what it has come to.

use crate::host::Stream;

/// What became of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was in place.
    Ok,
    /// It was brought about.
    Changed,
    /// It was not needed or does not apply to this host.
    Skipped,
    /// It could not be brought about; the run stopped here.
    Failed,
    /// The run stopped before it.
    NotRun,
    /// It is again what it was before the run that was undone.
    Reverted,
}

/// What is noted of a block that reboots the host, last before that goes down.
pub const REBOOTS: &str = "the host reboots";

/// One thing that a run tells. Blocks are named by their index in the plan.
#[derive(Debug, Clone)]
pub enum Event {
    /// A block is being brought about.
    Started {
        /// Which.
        block: usize,
    },
    /// A command of a block wrote something.
    Output {
        /// Which block.
        block: usize,
        /// Where to.
        stream: Stream,
        /// What; secrets in it are masked already.
        bytes: Vec<u8>,
    },
    /// A word for whoever waits.
    Note {
        /// Which block.
        block: usize,
        /// The words.
        text: String,
    },
    /// A block has its outcome. Exactly one for each block, in an order that respects the plan's.
    Finished(Finished),
}

/// A block's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which block.
    pub block: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// A few words: "installed 1.22.1-9", or why it failed.
    pub note: String,
    /// Exit code of the command that ran last, if one ran.
    pub exit: Option<i32>,
}

/// What a run has come to: one outcome for each block.
#[must_use = "an unread report is not actionable"]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the plan.
    pub blocks: Vec<Finished>,
    /// Whether a health gate failed, and what the run had changed was put back as far as that goes.
    pub reverted: bool,
}

impl Report {
    /// How many blocks have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.blocks.iter().filter(|b| b.outcome == outcome).count()
    }

    /// Whether every block is as it should be.
    pub fn succeeded(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::NotRun) == 0
    }
}
