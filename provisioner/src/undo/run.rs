//! A run that undoes another: what it would do, and doing it.

use super::reverse::{Removed, Reversal, reverse};
use super::{Before, before, replaces};
use crate::effect::Effect;
use crate::host::{Mutate, Observe};
use crate::name::AbsPath;
use crate::report::{Event, Finished, Outcome, Report};
use crate::run::{Intent, Witness};

/// What one block of a run has changed, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the block.
    pub id: String,
    /// What it replaced.
    before: Vec<Before>,
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
    fn decides(&self, newer: &Before) -> bool {
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

    /// The paths that it replaced something at.
    pub fn paths(&self) -> impl Iterator<Item = &AbsPath> {
        self.before.iter().filter_map(|before| match before {
            Before::Path { path, .. } => Some(path),
            _ => None,
        })
    }
}

/// What would become of one block's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// All of it is put back.
    Reverts {
        /// By the script that its block has for that.
        runs: bool,
    },
    /// Nothing is left of it.
    Gone,
    /// Some of it stays, and why.
    Stays(Vec<String>),
}

/// What an undo would do with the changes of a run, newest block first.
pub fn foresee(changes: &[Change], host: &dyn Observe) -> Vec<Fate> {
    let mut removed = Removed::default();
    changes
        .iter()
        .enumerate()
        .map(|(block, change)| {
            let older = &changes[block + 1..];
            let (mut any, mut runs, mut stays) = (false, false, Vec::new());
            for before in change.before.iter().rev() {
                if older.iter().any(|older| older.decides(before)) {
                    any = true;
                    continue;
                }
                match reverse(before, host, &removed) {
                    Ok(reversal) => {
                        any |= !reversal.is_empty();
                        runs |= reversal.first.iter().any(|e| matches!(e, Effect::Run(_)));
                        removed.add(&reversal.first);
                    }
                    Err(why) => stays.push(why.to_string()),
                }
            }
            match (stays.is_empty(), any) {
                (false, _) => Fate::Stays(stays),
                (true, true) => Fate::Reverts { runs },
                (true, false) => Fate::Gone,
            }
        })
        .collect()
}

/// Puts back what can be put back of the changes of a run, newest block first. What cannot stays, and
/// is told; a change that fails does not keep the others.
pub fn undo(changes: &[Change], host: &mut dyn Mutate, witness: &mut dyn Witness) -> Report {
    let mut undoing = Undoing {
        host,
        witness,
        blocks: changes.iter().map(|_| Block::default()).collect(),
        stopped: false,
    };
    for block in 0..changes.len() {
        undoing.first(block, changes);
        if undoing.blocks[block].then.is_empty() && block + 1 < changes.len() {
            undoing.tell(block);
        }
    }
    // One waits until all is settled, which may fail.
    let last = undoing.blocks.iter().position(|block| !block.told);
    for block in (0..changes.len()).rev() {
        undoing.then(block);
        if Some(block) != last {
            undoing.tell(block);
        }
    }
    if let Err(error) = undoing.host.settle()
        && let Some(block) = last
    {
        undoing.blocks[block].failed.push(error.to_string());
    }
    if let Some(block) = last {
        undoing.tell(block);
    }
    let blocks = undoing.blocks.iter().enumerate();
    Report {
        blocks: blocks.map(|(index, block)| block.finished(index)).collect(),
        reverted: false,
    }
}

struct Undoing<'a> {
    host: &'a mut dyn Mutate,
    witness: &'a mut dyn Witness,
    blocks: Vec<Block>,
    /// What is done cannot be recorded, or whoever watches wants no more.
    stopped: bool,
}

/// What has become of one block so far.
#[derive(Default)]
struct Block {
    done: usize,
    stays: Vec<String>,
    failed: Vec<String>,
    skipped: bool,
    then: Vec<Effect>,
    told: bool,
}

impl Undoing<'_> {
    fn first(&mut self, block: usize, changes: &[Change]) {
        let (change, older) = (&changes[block], &changes[block + 1..]);
        self.stopped |= !self.witness.go_on();
        if self.stopped {
            self.blocks[block].skipped = true;
            return;
        }
        self.witness.tell(Event::Started { block });
        for before in change.before.iter().rev() {
            if older.iter().any(|older| older.decides(before)) {
                self.blocks[block].done += 1;
                continue;
            }
            match reverse(before, &*self.host, &Removed::default()) {
                Ok(Reversal { first, then }) => {
                    for effect in first {
                        let done = self.perform(block, &effect);
                        if !done && matches!(effect, Effect::Run(_)) {
                            break; // what would note that it was undone
                        }
                    }
                    self.blocks[block].then.extend(then.into_iter().rev());
                }
                Err(why) => self.blocks[block].stays.push(why.to_string()),
            }
        }
    }

    /// Tells that a block is put back, once.
    fn tell(&mut self, block: usize) {
        if !std::mem::replace(&mut self.blocks[block].told, true) {
            let finished = self.blocks[block].finished(block);
            self.witness.tell(Event::Finished(finished));
            // What cannot be kept of it is told all the same.
            let _ = self.witness.settle();
        }
    }

    fn then(&mut self, block: usize) {
        let mut effects = std::mem::take(&mut self.blocks[block].then);
        effects.reverse();
        for effect in effects {
            self.perform(block, &effect);
        }
    }

    /// Whether it was done.
    fn perform(&mut self, block: usize, effect: &Effect) -> bool {
        if self.stopped {
            return false;
        }
        let kept = replaces(effect).into_iter().collect::<Vec<_>>();
        let intent = self.host.keep(&kept).and_then(|kept| {
            let before = before(effect, false, &*self.host, &kept)?;
            Ok(Intent::of(block, effect, before))
        });
        let recorded = match intent {
            Ok(intent) => self.witness.intend(&[intent]).map_err(|why| {
                self.stopped = true;
                format!("nothing was done, for it cannot be recorded: {why}")
            }),
            Err(error) => Err(error.to_string()),
        };
        let done = recorded.and_then(|()| {
            let answers = self
                .host
                .perform(std::slice::from_ref(effect), &mut |_, _| {});
            let failed = answers.into_iter().find_map(Result::err);
            failed.map_or(Ok(()), |error| Err(error.to_string()))
        });
        let is_done = done.is_ok();
        match done {
            Ok(()) => self.blocks[block].done += 1,
            Err(why) => self.blocks[block].failed.push(why),
        }
        is_done
    }
}

impl Block {
    fn finished(&self, block: usize) -> Finished {
        let (outcome, words) = if self.skipped {
            (Outcome::NotRun, &[][..])
        } else if !self.failed.is_empty() {
            (Outcome::Failed, &self.failed[..])
        } else if !self.stays.is_empty() {
            (Outcome::Skipped, &self.stays[..])
        } else if self.done > 0 {
            (Outcome::Reverted, &[][..])
        } else {
            (Outcome::Ok, &[][..])
        };
        Finished {
            block,
            outcome,
            note: words.join("\n"),
            exit: None,
        }
    }
}

impl Reversal {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.then.is_empty()
    }
}
