//! The names of a plan and of its blocks, by which an apply is bound to what was planned.

use std::fmt;

use crate::block::{Block, Decision};
use crate::effect::Effect;
use crate::host::{HostError, Observe};
use crate::plan::{Plan, Planned};
use crate::view::Reads;

/// The name of a plan: BLAKE3 over what it would do and what it read. Shown as `7f3a-c21e`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, two, three, four, ..] = self.0;
        write!(f, "{one:02x}{two:02x}-{three:02x}{four:02x}")
    }
}

/// The short name of one planned block: the first 8 bytes of what its part of the digest is. It
/// tells which block has moved; whether one has is the digest's to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark(pub u64);

impl Mark {
    pub(super) fn of(sealed: &[u8; 32]) -> Self {
        let first = sealed.first_chunk().expect("8 of 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}

/// The plan that an apply is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its name.
    pub digest: Digest,
    /// The marks of its blocks, in order; empty if nobody needs to know which one has moved.
    pub marks: Vec<Mark>,
}

/// The host no longer shows what the plan was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The plan that was agreed to.
    pub planned: Digest,
    /// What would be planned now.
    pub now: Digest,
    /// The ids of the blocks that are judged otherwise by now, or saw something else.
    pub blocks: Vec<String>,
}

impl Plan {
    /// What binds an apply to this plan.
    pub fn bound(&self) -> Bound {
        Bound {
            digest: self.digest,
            marks: self.blocks.iter().map(|block| block.mark).collect(),
        }
    }
}

impl Bound {
    /// Whether a plan that was made later is still the same one.
    ///
    /// # Errors
    /// If it is another one, with the blocks by which they differ.
    pub fn compare(&self, plan: &Plan) -> Result<(), Moved> {
        if self.digest == plan.digest {
            return Ok(());
        }
        let pairs = self.marks.iter().zip(&plan.blocks);
        let moved = pairs.filter(|(mark, block)| **mark != block.mark);
        Err(Moved {
            planned: self.digest,
            now: plan.digest,
            blocks: moved.map(|(_, block)| block.id.clone()).collect(),
        })
    }
}

/// What the block will do and what it saw, as one hash. Whatever concerns a secret goes in
/// under the host's own key, so that the digest cannot be used to guess at it.
pub(super) fn seal(
    block: &Block,
    planned: &Planned,
    decision: &Result<Decision, HostError>,
    reads: Reads,
    host: &dyn Observe,
) -> [u8; 32] {
    let mut part = blake3::Hasher::new();
    part.update(
        format!(
            "{}\0{:?}\0{}\0",
            planned.id, planned.verdict, planned.summary
        )
        .as_bytes(),
    );
    for (key, seen) in reads {
        part.update(format!("{key:?}").as_bytes())
            .update(seen.as_bytes());
    }
    if let Ok(Decision::Act(action)) = decision {
        for effect in &action.effects {
            match effect {
                Effect::WriteFile(file) => part.update(file.content.hash().as_bytes()),
                Effect::Unpack(job) => part.update(job.hash.as_bytes()),
                _ => continue,
            };
        }
    }
    let part = part.finalize();
    let secret = block.sensitive || block.needs().iter().any(|need| need.secret);
    if secret {
        *blake3::hash(host.fingerprint(part.as_bytes()).as_bytes()).as_bytes()
    } else {
        *part.as_bytes()
    }
}
