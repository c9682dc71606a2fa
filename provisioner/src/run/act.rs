//! Performs the effects of a block or of a batch, and passes on what they say without secrets.

use std::collections::HashSet;
use std::io;

use super::batch::{Batch, Waiting};
use super::bounds::Drift;
use super::{Ended, Intent, Run, Stop, ended, not_run};
use crate::block::Action;
use crate::effect::{Effect, Sort};
use crate::host::{Done, HostError, Progress, Stream};
use crate::mask::Mask;
use crate::report::{Event, Outcome};
use crate::undo;
use crate::view::Reads;

impl Run<'_> {
    /// Performs the effects of one block, adjacent ones of a sort together.
    pub(super) fn act(&mut self, index: usize, action: &Action, reads: &Reads) -> Ended {
        self.begin_bound(&[(index, Some(action.clone()))]);
        self.witness.tell(Event::Started { block: index });
        self.adding.extend(action.adds.then_some(index));
        self.remember(&[index]);
        let mut last = Done::default();
        let mut changed = HashSet::new();
        for effects in action
            .effects
            .chunk_by(|a, b| a.sort() == b.sort() && a.sort() != Sort::Alone)
        {
            let paths = || effects.iter().filter_map(Effect::path);
            if let Err(drift) = self.verify_paths(paths(), &changed, reads) {
                return self.drifted(drift);
            }
            changed.extend(paths().cloned());
            for result in self.perform(effects, &vec![index; effects.len()]) {
                let done = result.map_err(|error| error.to_string())?;
                let note = if done.note.is_empty() {
                    last.note
                } else {
                    done.note
                };
                last = Done {
                    note,
                    exit: done.exit.or(last.exit),
                    idle: done.idle || last.idle,
                    stdout: if done.stdout.is_empty() {
                        last.stdout
                    } else {
                        done.stdout
                    },
                };
            }
        }
        self.conclude(index, action, last)
    }

    /// Performs a batch; then each of its blocks has ended.
    pub(super) fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let moved = self.cut(&mut batch);
        self.perform_all(batch);
        let Some((drift, rest)) = moved else {
            return;
        };
        let mut rest = rest.into_iter();
        if self.stopped.is_none()
            && let Some((index, _)) = rest.next()
        {
            let end = self.drifted(drift);
            self.settle(index, end);
        }
        for (index, _) in rest {
            self.finish(not_run(index));
        }
        self.keep_ends();
    }

    /// Takes those blocks from a batch that are not to act after all: from the first one on whose
    /// ground has moved since it was decided.
    fn cut(&mut self, batch: &mut Batch) -> Option<(Drift, Vec<Waiting>)> {
        self.refresh();
        let mut reads = batch.reads.iter();
        for at in 0..batch.blocks.len() {
            if batch.blocks[at].1.is_some()
                && let Some(reads) = reads.next()
                && let Err(drift) = self.verify(reads)
            {
                return Some((drift, batch.blocks.split_off(at)));
            }
        }
        None
    }

    fn perform_all(&mut self, batch: Batch) {
        let acting = batch
            .blocks
            .iter()
            .filter_map(|(i, action)| Some((*i, action.as_ref()?)));
        let (owners, effects): (Vec<usize>, Vec<Effect>) = acting
            .flat_map(|(i, action)| action.effects.iter().map(move |e| (i, e.clone())))
            .unzip();
        if effects.is_empty() {
            return;
        }
        self.begin_bound(&batch.blocks);
        for (index, action) in &batch.blocks {
            if let Some(action) = action {
                self.witness.tell(Event::Started { block: *index });
                self.adding.extend(action.adds.then_some(*index));
            }
        }
        let new = self.remember(&owners);
        let mut results = self.perform(&effects, &owners).into_iter();
        for (index, action) in batch.blocks {
            let Some(action) = action else {
                if self.stopped.is_none() {
                    self.finish(ended(index, Outcome::Ok, ""));
                }
                continue;
            };
            let mine: Vec<_> = results.by_ref().take(action.effects.len()).collect();
            let answered = mine.len() == action.effects.len();
            let mut done = Done::default();
            let mut failure = None;
            for result in mine {
                match result {
                    Ok(d) => done = d,
                    Err(error) => failure = Some(error),
                }
            }
            match failure {
                Some(error) => self.settle(index, Err(error.to_string())),
                None if self.stopped.is_some() => self.finish(not_run(index)),
                None if answered => {
                    let end = self.conclude(index, &action, done);
                    self.settle(index, end);
                }
                None => self.finish(not_run(index)),
            }
        }
        self.forget_unmoved(new, &owners);
        self.keep_ends();
    }

    /// What hides the secrets of this config in what programs say.
    pub(super) fn mask(&self) -> Mask {
        self.config.mask()
    }

    /// What is about to be done, and what it replaces: the content of files is kept.
    fn intents(&mut self, effects: &[Effect], owners: &[usize]) -> Result<Vec<Intent>, HostError> {
        let pairs = owners.iter().zip(effects);
        // What a sensitive block replaces may be as secret as what it puts there.
        let open = pairs.filter(|(owner, _)| !self.config.blocks[**owner].sensitive);
        let replaced: Vec<_> = open
            .filter_map(|(_, effect)| undo::replaces(effect, &*self.host))
            .collect();
        let kept = self.host.keep(&replaced)?;
        let pairs = owners.iter().zip(effects);
        pairs
            .map(|(owner, effect)| {
                let block = &self.config.blocks[*owner];
                let before = undo::before(effect, block.sensitive, &*self.host, &kept)?;
                let is_command = matches!(effect, Effect::Run(_));
                Ok(Intent {
                    is_unguarded: is_command && !block.may_run_again(),
                    adds: self.adding.contains(owner),
                    ..Intent::of(*owner, effect, before)
                })
            })
            .collect()
    }

    fn perform(&mut self, effects: &[Effect], owners: &[usize]) -> Vec<Result<Done, HostError>> {
        let intents = match self.intents(effects, owners) {
            Ok(intents) => intents,
            Err(error) => return vec![Err(error)],
        };
        if let Err(why) = self.witness.intend(&intents) {
            self.stopped = Some(Stop::Unrecorded);
            return vec![Err(unrecorded(&why))];
        }
        // What was removed as nobody's may have been part of what a block is about.
        let is_pruning = |owner: &usize| self.config.blocks[*owner].orphan().is_some();
        for intent in intents {
            self.log.add(intent.block, intent.before);
        }
        self.opaque |= owners.iter().any(is_pruning) || effects.iter().any(Effect::is_opaque);
        let mut masks = [(Stream::Stdout, self.mask()), (Stream::Stderr, self.mask())];
        let mut words = self.mask();
        let witness = &mut *self.witness;
        let results = self.host.perform(effects, &mut |effect, progress| {
            let block = owners[effect];
            match progress {
                Progress::Note(text) => {
                    let text = words.whole(&text);
                    witness.tell(Event::Note { block, text });
                }
                Progress::Output { stream, bytes } => {
                    let mask = masks.iter_mut().find(|(s, _)| *s == stream);
                    let bytes = mask.map(|(_, m)| m.feed(&bytes)).unwrap_or_default();
                    if !bytes.is_empty() {
                        witness.tell(Event::Output {
                            block,
                            stream,
                            bytes,
                        });
                    }
                }
            }
        });
        if let Some(block) = owners.last().copied() {
            for (stream, mask) in &mut masks {
                let bytes = mask.finish();
                if !bytes.is_empty() {
                    witness.tell(Event::Output {
                        block,
                        stream: *stream,
                        bytes,
                    });
                }
            }
        }
        results
    }
}

pub(super) fn unrecorded(why: &io::Error) -> HostError {
    HostError::Refused(format!(
        "nothing was done, for what is about to be done cannot be recorded: {why}"
    ))
}
