//! What a config owns on a host: told by its runs, kept between them, and what of it has left the config.

mod deeds;
mod orphans;
mod owned;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::plan::Plan;
use crate::report::Finished;

pub use self::deeds::{Deed, Deeds};
pub use self::orphans::Left;
pub use self::owned::{By, Owned, Removal, Stage, Thing};

/// All that one config owns on a host, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The config's name.
    pub name: String,
    /// The run that was about to change what is owned, until what it has come to is noted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// The things.
    pub things: Vec<Owned>,
}

impl Ledger {
    /// One that is still empty.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// What is owned under this name.
    pub fn get(&self, thing: &Thing) -> Option<&Owned> {
        self.things.iter().find(|owned| owned.is(thing))
    }

    /// Notes what a run is about to bring, besides all that is owned already: whenever it breaks off,
    /// nothing that it has made is nobody's.
    pub fn begin(&mut self, config: &Config, plan: &Plan, left: &Left, others: &[Self], by: &By) {
        self.forget(left);
        for owned in &mut self.things {
            let leaving = left.leaving.get(&owned.thing()).cloned();
            owned.stage = leaving.map_or(Stage::Held, Stage::Leaving);
        }
        let mut mask = config.mask();
        let mut brought = BTreeSet::new();
        let things = self.things.iter().map(Owned::thing);
        let mut at: HashMap<Thing, usize> = things.zip(0..).collect();
        for (block, planned) in config.blocks.iter().zip(&plan.blocks) {
            for holding in block.holdings() {
                let Some(new) = Owned::new(&holding, block, planned, config, &mut mask, by) else {
                    continue;
                };
                let thing = new.thing();
                if let Some(known) = at.get(&thing) {
                    let again = !brought.insert(*known);
                    self.things[*known].describe(new, again);
                    continue;
                }
                let is_made = |other: &Self| other.get(&thing).is_some_and(|owned| owned.made);
                brought.insert(self.things.len());
                at.insert(thing.clone(), self.things.len());
                self.things.push(Owned {
                    made: others.iter().any(is_made),
                    ..new
                });
            }
        }
        self.open = Some(by.run.clone());
    }

    /// Notes a config of which a plan has found all in place, as `by` asked for it. Whether that says
    /// anything new.
    pub fn find_in_place(
        &mut self,
        config: &Config,
        plan: &Plan,
        left: &Left,
        others: &[Self],
        by: By,
    ) -> bool {
        let known = self.clone();
        self.begin(config, plan, left, others, &by);
        let ends = config.blocks.iter().zip(plan.report().blocks);
        let deed = |end: Finished| Deed {
            outcome: Some(end.outcome),
            ..Deed::default()
        };
        let blocks = ends.map(|(block, end)| (block.id.clone(), deed(end)));
        let blocks = blocks.collect();
        self.settle(&Deeds { by, blocks });
        *self != known
    }

    /// Notes what the run has come to that had begun.
    pub fn settle(&mut self, deeds: &Deeds) {
        self.open = None;
        let made = self.things.iter();
        let made = made.filter(|owned| owned.made && owned.part.is_none());
        let mut made: BTreeSet<String> = made.map(|owned| owned.name().to_owned()).collect();
        let writers = deeds.writers();
        self.things.retain_mut(|owned| {
            let is_owned = owned.settle(deeds, &made);
            owned.note_left(deeds, &writers);
            if owned.made && owned.part.is_none() {
                made.insert(owned.name().to_owned());
            }
            is_owned
        });
    }

    /// Drops what is gone already, and what is let go. Whether there was any of it.
    pub fn forget(&mut self, left: &Left) -> bool {
        let before = self.things.len();
        self.things
            .retain(|owned| !left.forgotten.contains(&owned.thing()));
        self.things.len() < before
    }

    /// Owns again what a run has removed that is about to be undone, of the blocks with these ids:
    /// `before` is what was owned before that run.
    pub fn reown(&mut self, before: &Self, ids: &dyn Fn(&str) -> bool) {
        for owned in &before.things {
            let is_removed = ids(&owned.id) || ids(&owned.own_id());
            if is_removed && self.get(&owned.thing()).is_none() {
                self.things.push(owned.clone());
            }
        }
    }

    /// Drops what an undone run has brought, and says of the rest what was said before it. `ids` says
    /// whether a block was put back.
    pub fn undo(&mut self, run: &str, before: &Self, ids: &dyn Fn(&str) -> bool) {
        let things = std::mem::take(&mut self.things).into_iter();
        let as_before = |owned: Owned| {
            if owned.last.run == run && ids(&owned.id) {
                before.get(&owned.thing()).cloned()
            } else {
                Some(owned)
            }
        };
        self.things = things.filter_map(as_before).collect();
    }
}
