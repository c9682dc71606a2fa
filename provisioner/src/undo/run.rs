//! A run that undoes another.

use std::collections::HashSet;

use super::change::{Change, around, told_of_newer};
use super::reverse::{Around, Reversal, reverse};
use super::{Before, before, replaces};
use crate::effect::{Effect, Sort};
use crate::host::{HostError, Mutate};
use crate::name::AbsPath;
use crate::report::{Event, Finished, Outcome, Report};
use crate::run::{Intent, Witness};

/// The most changes that are made durable at once.
const BATCH: usize = 1024;

/// Puts back what can be put back of the changes of a run, newest block first. What cannot stays, and
/// is told; a change that fails does not keep the others.
pub fn undo(changes: &[Change], host: &mut dyn Mutate, witness: &mut dyn Witness) -> Report {
    let around = around(changes);
    let changes = &told_of_newer(changes);
    let mut undoing = Undoing {
        host,
        witness,
        around,
        blocks: changes.iter().map(|_| Block::default()).collect(),
        pending: Pending::default(),
        stopped: false,
    };
    let urgent = undoing.urgent(changes);
    for &block in &urgent {
        undoing.first(block, changes);
    }
    undoing.flush();
    for &block in urgent.iter().rev() {
        undoing.then(block, true);
    }
    for block in (0..changes.len()).filter(|block| !urgent.contains(block)) {
        undoing.first(block, changes);
        if undoing.blocks[block].then.is_empty() && block + 1 < changes.len() {
            undoing.pending.ready.push(block);
        }
    }
    undoing.flush();
    // One waits until all is settled, which may fail.
    let last = undoing.blocks.iter().position(|block| !block.told);
    for block in (0..changes.len()).rev() {
        undoing.then(block, false);
        if Some(block) != last {
            undoing.tell(&[block]);
        }
    }
    if let Err(error) = undoing.host.settle()
        && let Some(block) = last
    {
        undoing.blocks[block].failed.push(error.to_string());
    }
    if let Some(block) = last {
        undoing.tell(&[block]);
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
    around: Around,
    blocks: Vec<Block>,
    pending: Pending,
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
            // It is judged by the host as it is once what waits is done.
            if self.pending.concerns(before) {
                self.flush();
            }
            match reverse(before, &*self.host, &self.around) {
                Ok(Reversal { first, then, stays }) => {
                    self.blocks[block].stays.extend(stays);
                    for effect in first {
                        let runs = matches!(effect, Effect::Run(_));
                        let failed = self.blocks[block].failed.len();
                        self.put(block, effect);
                        if runs && (self.stopped || self.blocks[block].failed.len() > failed) {
                            break; // what would note that it was undone
                        }
                    }
                    self.blocks[block].then.extend(then.into_iter().rev());
                }
                Err(why) => self.blocks[block].stays.push(why.to_string()),
            }
        }
    }

    /// The blocks that an operator reaches the host by, newest first, as far as they can go ahead of
    /// the others: no newer one is about the same things.
    fn urgent(&self, changes: &[Change]) -> Vec<usize> {
        let mut urgent = Vec::new();
        for (block, change) in changes.iter().enumerate() {
            let reverses = |before| reverse(before, &*self.host, &self.around).is_ok();
            if change.is_lifeline()
                && change.before.iter().all(reverses)
                && !(0..block).any(|newer| !urgent.contains(&newer) && changes[newer].meets(change))
            {
                urgent.push(block);
            }
        }
        urgent
    }

    /// Tells that blocks are put back, once each.
    fn tell(&mut self, blocks: &[usize]) {
        let mut any = false;
        for &block in blocks {
            if !std::mem::replace(&mut self.blocks[block].told, true) {
                let finished = self.blocks[block].finished(block);
                self.witness.tell(Event::Finished(finished));
                any = true;
            }
        }
        if any {
            // What cannot be kept of it is told all the same.
            let _ = self.witness.settle();
        }
    }

    /// What is done when a block's things are in their places again. What fails is tried once more
    /// when all are, if that is `ahead`.
    fn then(&mut self, block: usize, ahead: bool) {
        let mut effects = std::mem::take(&mut self.blocks[block].then);
        while let Some(effect) = effects.pop() {
            let failed = self.blocks[block].failed.len();
            self.perform(&[block], std::slice::from_ref(&effect));
            if ahead && self.blocks[block].failed.len() > failed {
                self.blocks[block].failed.truncate(failed);
                effects.push(effect);
                break;
            }
        }
        self.blocks[block].then = effects;
    }

    /// Has an effect wait for others that are made durable together with it, if that can be.
    fn put(&mut self, block: usize, effect: Effect) {
        let is_plain = matches!(effect, Effect::Remove { .. }) || effect.sort() == Sort::Files;
        if !is_plain {
            self.flush();
            return self.perform(&[block], &[effect]);
        }
        self.pending.add(block, effect);
        if self.pending.effects.len() >= BATCH {
            self.flush();
        }
    }

    /// Performs what waits, and tells of the blocks that are put back by that.
    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.perform(&pending.owners, &pending.effects);
        self.tell(&pending.ready);
    }

    /// Performs effects of these blocks that share one durable step.
    fn perform(&mut self, owners: &[usize], effects: &[Effect]) {
        if self.stopped || effects.is_empty() {
            return;
        }
        let intents = match self.intents(owners, effects) {
            Ok(intents) => intents,
            Err(error) => {
                if let [block] = owners {
                    return self.blocks[*block].failed.push(error.to_string());
                }
                // Of many one is to blame, and the others are put back.
                for (owner, effect) in owners.iter().zip(effects) {
                    self.perform(&[*owner], std::slice::from_ref(effect));
                }
                return;
            }
        };
        if let Err(why) = self.witness.intend(&intents) {
            self.stopped = true;
            for block in owners {
                let why = format!("nothing was done, for it cannot be recorded: {why}");
                self.blocks[*block].failed.push(why);
            }
            return;
        }
        let is_removal = |effect: &Effect| matches!(effect, Effect::Remove { .. });
        let mut at = 0;
        for run in effects.chunk_by(|a, b| is_removal(a) == is_removal(b)) {
            let end = at + run.len();
            // What follows a failure is not done, and is taken up again.
            while at < end {
                let answers = self.host.perform(&effects[at..end], &mut |_, _| {});
                let answered = answers.len().max(1);
                for (block, answer) in owners[at..].iter().zip(answers) {
                    match answer {
                        Ok(_) => self.blocks[*block].done += 1,
                        Err(error) => self.blocks[*block].failed.push(error.to_string()),
                    }
                }
                at += answered;
            }
        }
    }

    fn intents(&mut self, owners: &[usize], effects: &[Effect]) -> Result<Vec<Intent>, HostError> {
        let replaced = effects.iter().filter_map(|e| replaces(e, &*self.host));
        let replaced: Vec<_> = replaced.collect();
        let kept = self.host.keep(&replaced)?;
        let pairs = owners.iter().zip(effects);
        pairs
            .map(|(block, effect)| {
                let before = before(effect, false, &*self.host, &kept)?;
                Ok(Intent::of(*block, effect, before))
            })
            .collect()
    }
}

/// Changes of files that wait to be made durable together.
#[derive(Default)]
struct Pending {
    effects: Vec<Effect>,
    /// The block of each.
    owners: Vec<usize>,
    /// What they are about, and all directories above.
    paths: HashSet<AbsPath>,
    above: HashSet<AbsPath>,
    /// The blocks that are put back once all of it is done.
    ready: Vec<usize>,
}

impl Pending {
    /// Whether it may matter for this that something waits.
    fn concerns(&self, before: &Before) -> bool {
        let Before::Path { path, .. } = before else {
            return true;
        };
        let mut above = std::iter::successors(Some(path.clone()), AbsPath::parent);
        self.above.contains(path) || above.any(|path| self.paths.contains(&path))
    }

    fn add(&mut self, block: usize, effect: Effect) {
        if let Some(path) = effect.path() {
            let above = std::iter::successors(path.parent(), AbsPath::parent);
            self.above.extend(above);
            self.paths.insert(path.clone());
        }
        self.effects.push(effect);
        self.owners.push(block);
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
