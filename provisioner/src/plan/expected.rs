//! What a plan lets its apply do, block by block, and what it was made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::block::{Action, Decision};
use crate::effect::Effect;
use crate::host::{Hash, HostError, Key, Observe};
use crate::view::Reads;

/// What an apply that is bound to a plan is held to.
#[derive(Default)]
pub struct Expected {
    /// One for each block, in order.
    pub(crate) blocks: Vec<Allowed>,
    /// What the host showed to the blocks, where no earlier one changes it.
    pub(crate) seen: BTreeMap<Key, Hash>,
}

/// What a block may do.
pub(crate) enum Allowed {
    /// These effects, by their names, or fewer.
    Effects(BTreeSet<[u8; 32]>),
    /// What it will do was not known.
    Anything,
}

impl Expected {
    /// One more block was judged so, from what it read.
    pub(super) fn add(
        &mut self,
        decision: &Result<Decision, HostError>,
        reads: Reads,
        host: &dyn Observe,
    ) {
        self.blocks.push(Allowed::by(decision, host));
        for (key, seen) in reads {
            self.seen.entry(key).or_insert(seen);
        }
    }
}

impl Allowed {
    fn by(decision: &Result<Decision, HostError>, host: &dyn Observe) -> Self {
        match decision {
            Ok(Decision::Act(action) | Decision::Ask { action, .. }) => {
                let rests = action.effects.iter().flat_map(Effect::rest);
                Self::Effects(
                    names(action, host)
                        .chain(rests.map(|e| name(&e, host)))
                        .collect(),
                )
            }
            Ok(Decision::Maybe(_)) | Err(HostError::MissingBlob(_)) => Self::Anything,
            _ => Self::Effects(BTreeSet::new()),
        }
    }

    /// Whether this action is no more than that.
    pub(crate) fn holds(&self, action: &Action, host: &dyn Observe) -> bool {
        match self {
            Self::Effects(planned) => names(action, host).all(|name| planned.contains(&name)),
            Self::Anything => true,
        }
    }
}

fn names<'a>(action: &'a Action, host: &'a dyn Observe) -> impl Iterator<Item = [u8; 32]> + 'a {
    let parts = action.effects.iter().flat_map(Effect::parts);
    parts.map(|effect| name(&effect, host))
}

fn name(effect: &Effect, host: &dyn Observe) -> [u8; 32] {
    *effect.name(&|secret| host.fingerprint(secret)).as_bytes()
}
