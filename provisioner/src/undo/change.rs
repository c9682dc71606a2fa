//! What a run has changed, block by block, as an undo is given it.

use super::reverse::Around;
use super::{Before, Lay};
use crate::block::lifeline;
use crate::host::Hash;
use crate::host::setting::Setting;
use crate::name::AbsPath;

/// What one block of a run has changed, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the block.
    pub id: String,
    /// What it replaced.
    pub(super) before: Vec<Before>,
}

impl Change {
    /// Of the block with this id, which replaced this, in this order. What was replaced more than once
    /// becomes again what it was at first.
    pub fn new(id: String, before: Vec<Before>) -> Self {
        let mut before = before;
        // Of a run that was reverted, which has run that script already.
        if before.iter().any(|b| matches!(b, Before::Command { .. })) {
            before.retain(|before| !matches!(before, Before::Gone { .. }));
        }
        let mut once: Vec<Before> = Vec::new();
        for later in before {
            match once
                .iter_mut()
                .find(|earlier| earlier.is_of_one_thing(&later))
            {
                Some(earlier) => earlier.adopt(later),
                None => once.push(later),
            }
        }
        Self { id, before: once }
    }

    /// Whether this older change says what becomes of the thing in the end. What lay at a path goes
    /// back step by step instead, as each step knows what it wrote there.
    pub(super) fn decides(&self, newer: &Before) -> bool {
        match newer {
            Before::Path { .. } | Before::Command { .. } | Before::Unit { again: Some(_), .. } => {
                false
            }
            newer => self
                .before
                .iter()
                .any(|before| before.is_of_one_thing(newer)),
        }
    }

    /// Whether it is about what an operator reaches the host by, as a block may be.
    pub fn is_lifeline(&self) -> bool {
        self.before.iter().any(|before| match before {
            Before::Setting { setting, .. } => *setting == Setting::Ruleset,
            other => other
                .thing()
                .is_some_and(|(key, _)| lifeline::is(&key) || lifeline::is_account(&key)),
        })
    }

    /// Whether both are about some thing, or about paths of which one is above the other.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let pairs = self.before.iter();
        let mut pairs =
            pairs.flat_map(|mine| other.before.iter().map(move |before| (mine, before)));
        pairs.any(|pair| match pair {
            (Before::Path { path, .. }, Before::Path { path: other, .. }) => {
                let (path, other) = (path.as_path(), other.as_path());
                path.starts_with(other) || other.starts_with(path)
            }
            (mine, other) => mine.is_of_one_thing(other),
        })
    }

    /// The contents that putting it back takes.
    pub fn contents(&self) -> impl Iterator<Item = Hash> {
        self.before.iter().filter_map(|before| match before {
            Before::Path {
                was: Lay::File { hash, .. },
                ..
            } => Hash::from_hex(hash).ok(),
            _ => None,
        })
    }

    /// The paths that it replaced something at.
    pub fn paths(&self) -> impl Iterator<Item = &AbsPath> {
        self.before.iter().filter_map(|before| match before {
            Before::Path { path, .. } => Some(path),
            _ => None,
        })
    }
}

/// The changes of a run, where the oldest of each thing knows what the newest has made of it.
pub(super) fn told_of_newer(changes: &[Change]) -> Vec<Change> {
    let mut all = changes.to_vec();
    for newer in 0..all.len() {
        for at in 0..all[newer].before.len() {
            let before = all[newer].before[at].clone();
            let Some(older) = all[newer + 1..]
                .iter_mut()
                .find(|older| older.decides(&before))
            else {
                continue;
            };
            let mut known = older.before.iter_mut();
            if let Some(known) = known.find(|known| known.is_of_one_thing(&before)) {
                known.adopt(before);
            }
        }
    }
    all
}

/// What else they are about, taken together.
pub(super) fn around(changes: &[Change]) -> Around {
    Around::of(changes.iter().flat_map(|change| &change.before))
}
