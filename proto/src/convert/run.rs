//! Runs by name: who began one, of which blocks it is, and what it is about to do.

use std::time::Duration;

use hpt_provisioner::run::Intent;
use hpt_provisioner::undo::Before;

use super::{BadMessage, number};
use crate::wire;

/// A run that holds a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub run: String,
    /// The name of the pinned client that started it, or "local".
    pub by: String,
    /// When it began, in unix seconds.
    pub since: u64,
}

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Whose it is.
    pub running: Running,
    /// Its blocks, in order.
    pub blocks: Vec<BlockName>,
    /// How long after its end it waits to be confirmed; it need not be if this is zero.
    pub confirm: Duration,
    /// How long the host may be away when the run reboots it; zero if it does not.
    pub away: Duration,
    /// The name of its config; empty for an undo.
    pub config: String,
    /// The id of the run that it undoes; empty for an apply.
    pub undoes: String,
}

/// That a run was put back by another.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The id of the other.
    pub by: String,
    /// The ids of blocks that it has not put back, or not wholly.
    pub stays: Vec<String>,
}

/// What a block is called, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockName {
    /// Its id.
    pub id: String,
    /// The file that it stands in.
    pub file: String,
    /// The line of its header, from 1.
    pub line: usize,
}

impl wire::AwaitFreeRequest {
    /// How long is waited.
    ///
    /// # Errors
    /// More than a day.
    pub fn time(&self) -> Result<Duration, BadMessage> {
        if self.seconds > 86_400 {
            return Err(BadMessage("a host is waited for a day at most"));
        }
        Ok(Duration::from_secs(self.seconds.into()))
    }
}

pub(super) const UNNAMED: BadMessage = BadMessage("a run without a name");

impl TryFrom<wire::Begun> for Begun {
    type Error = BadMessage;

    fn try_from(from: wire::Begun) -> Result<Self, BadMessage> {
        let blocks = from.blocks.into_iter().map(|block| BlockName {
            id: block.id,
            file: block.file,
            line: usize::try_from(block.line).unwrap_or(usize::MAX),
        });
        Ok(Self {
            running: from.run.ok_or(UNNAMED)?.into(),
            blocks: blocks.collect(),
            confirm: Duration::from_secs(from.confirm.into()),
            away: Duration::from_secs(from.away.into()),
            config: from.config,
            undoes: from.undoes,
        })
    }
}

impl From<Begun> for wire::Begun {
    fn from(from: Begun) -> Self {
        let blocks = from.blocks.into_iter().map(|block| wire::BlockName {
            id: block.id,
            file: block.file,
            line: number(block.line),
        });
        Self {
            run: Some(from.running.into()),
            blocks: blocks.collect(),
            confirm: seconds(from.confirm),
            away: seconds(from.away),
            config: from.config,
            undoes: from.undoes,
        }
    }
}

impl From<wire::Undone> for Undone {
    fn from(from: wire::Undone) -> Self {
        let wire::Undone { by, stays } = from;
        Self { by, stays }
    }
}

impl From<Undone> for wire::Undone {
    fn from(from: Undone) -> Self {
        let Undone { by, stays } = from;
        Self { by, stays }
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

impl From<&Intent> for wire::Intent {
    fn from(intent: &Intent) -> Self {
        let reboot = intent.reboots.map(|time| wire::Reboot {
            boot: String::new(), // the journal knows it
            away: seconds(time),
        });
        Self {
            reboot,
            block: number(intent.block),
            what: intent.what.clone(),
            unguarded: intent.is_unguarded,
            before: intent.before.iter().map(Before::to_json).collect(),
            adds: intent.adds,
        }
    }
}

impl From<wire::Running> for Running {
    fn from(from: wire::Running) -> Self {
        Self {
            run: from.run,
            by: from.by,
            since: from.since,
        }
    }
}

impl From<Running> for wire::Running {
    fn from(from: Running) -> Self {
        Self {
            run: from.run,
            by: from.by,
            since: from.since,
        }
    }
}
