//! Adjacent blocks whose effects are made durable together.

use std::collections::HashSet;

use crate::block::Action;
use crate::effect::{Effect, Sort};
use crate::host::Key;
use crate::host::overlay::Overlay;
use crate::view::Reads;

/// The most effects that are made durable at once.
pub(super) const BATCH: usize = 1024;

/// A block with its action; `None` for one that is in place already and waits for its turn.
pub(super) type Waiting = (usize, Option<Action>);

/// Adjacent blocks whose effects are of one sort and are made durable together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) sort: Option<Sort>,
    /// What the host will show once the batch is done.
    pub(super) overlay: Overlay,
    pub(super) blocks: Vec<Waiting>,
    /// What those that act were decided from, in order.
    pub(super) reads: Vec<Reads>,
    pub(super) effects: usize,
    /// What the effects are about. A block is judged once more when its batch is done, so that
    /// another one may change the same path or package only in a later batch.
    pub(super) about: HashSet<Key>,
}

impl Batch {
    pub(super) fn takes(&self, sort: Sort, action: &Action) -> bool {
        let mut about = action.effects.iter().flat_map(Effect::about);
        self.sort.is_none_or(|mine| mine == sort) && !about.any(|key| self.about.contains(&key))
    }
}

pub(super) fn sort_of(action: &Action) -> Sort {
    let mut sorts = action.effects.iter().map(Effect::sort);
    let first = sorts.next().unwrap_or(Sort::Alone);
    if action.repeats || action.alone || sorts.any(|sort| sort != first) {
        Sort::Alone
    } else {
        first
    }
}
