//! What a run has done, as its journal tells it: what the ledger is settled by, after its end or after
//! a crash.

use std::collections::{BTreeMap, BTreeSet};

use super::By;
use crate::host::Key;
use crate::report::Outcome;
use crate::undo::{Before, Lay};

/// What a run has done.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    /// The run.
    pub by: By,
    /// What it did for each block, by its id.
    pub blocks: BTreeMap<String, Deed>,
}

/// What a run has done for one block.
#[derive(Debug, Clone, Default)]
pub struct Deed {
    /// What became of it; `None` if the run broke off before.
    pub outcome: Option<Outcome>,
    /// Whether it has added a part of a thing of which nothing was there.
    pub adds: bool,
    /// What it was about to replace, in order.
    pub before: Vec<Before>,
}

impl Deeds {
    pub(super) fn of(&self, id: &str) -> Option<&Deed> {
        self.blocks.get(id)
    }

    /// How many blocks have written at each path, by its words as a claim.
    pub(super) fn writers(&self) -> BTreeMap<String, usize> {
        let mut writers = BTreeMap::new();
        for deed in self.blocks.values() {
            let paths = deed.before.iter().filter_map(|before| match before {
                Before::Path { path, .. } => Some(Key::Path(path.clone()).words()),
                _ => None,
            });
            for path in paths.collect::<BTreeSet<_>>() {
                *writers.entry(path).or_default() += 1;
            }
        }
        writers
    }

    /// What it did for several blocks, one after another; it has what the best of them has come to.
    pub(super) fn of_all<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Option<Deed> {
        let mut all = ids.filter_map(|id| self.of(id));
        let mut deed = all.next()?.clone();
        for later in all {
            deed.adds |= later.adds;
            deed.before.extend(later.before.iter().cloned());
            deed.outcome = match (deed.outcome, later.outcome) {
                _ if deed.is_good() => deed.outcome,
                (_, later) => later,
            };
        }
        Some(deed)
    }
}

impl Deed {
    /// Whether it was about to change anything.
    pub(super) fn touches(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether all of it was done.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Changed | Outcome::Ok))
    }

    /// What it was about to leave at a path that is claimed so; `None` if it wrote nothing there.
    pub(super) fn leaves(&self, claim: &str) -> Option<&Lay> {
        let mut newest = self.before.iter().rev();
        newest.find_map(|before| match before {
            Before::Path { path, left, .. } if Key::Path(path.clone()).words() == claim => {
                let mut newest = left.iter().rev();
                newest.find(|left| !matches!(left, Lay::Rights { .. }))
            }
            _ => None,
        })
    }

    /// Whether it is not known of any of its changes what they were about: an archive, a clone.
    pub(super) fn is_opaque(&self) -> bool {
        self.touches() && self.before.iter().all(|before| before.thing().is_none())
    }

    /// Whether it has made all of this that it has changed, but for what hpt had `made` before; `None` if
    /// it has changed nothing of it.
    pub(super) fn made(&self, claims: &[String], made: &BTreeSet<String>) -> Option<bool> {
        let mut first: BTreeMap<String, Option<bool>> = BTreeMap::new();
        for (key, was_there) in self.before.iter().filter_map(Before::thing) {
            let words = key.words();
            if claims.contains(&words) {
                let was_there = was_there.map(|was_there| was_there && !made.contains(&words));
                first.entry(words).or_insert(was_there);
            }
        }
        let known: Vec<bool> = first.values().copied().flatten().collect();
        let is_made = !known.is_empty() && !known.contains(&true);
        (!first.is_empty()).then_some(is_made)
    }
}
