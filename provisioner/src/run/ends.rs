//! How blocks come to their ends: shown by the host, told, kept, and looked at once more.

use super::{Run, Stop};
use crate::block::{Action, Decision, OnError};
use crate::host::Done;
use crate::host::overlay::Overlay;
use crate::report::{Event, Finished, Outcome};
use crate::results;
use crate::view::View;

/// How a block has ended, or why it failed.
pub(super) type Ended = Result<Finished, String>;

impl Run<'_> {
    /// A block has acted: whether the host shows it now. Tools exit 0 and lie.
    pub(super) fn conclude(&mut self, index: usize, action: &Action, done: Done) -> Ended {
        let (outcome, note) = if done.idle {
            (Outcome::Ok, "it ran, and changed nothing".to_owned())
        } else {
            (Outcome::Changed, done.note)
        };
        if !done.stdout.is_empty() {
            let stdout = self.mask().whole(&done.stdout);
            self.results.of(&self.config.blocks[index]).stdout = Some(stdout.trim().to_owned());
        }
        let changed = Finished {
            block: index,
            outcome,
            note,
            exit: done.exit,
        };
        if action.repeats {
            return Ok(changed);
        }
        let (now, reads) = self.observe(index, &Overlay::default());
        self.end_bound(action, reads);
        match now {
            Ok(Decision::Act(left)) => Err(format!(
                "every step succeeded, yet this is still to be done: {}",
                left.summary
            )),
            Ok(Decision::Blocked(why)) => Err(why),
            Ok(_) => Ok(changed),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Ends what was put off; if that fails, it is the last change that did not take effect.
    pub(super) fn catch_up(&mut self) {
        let Err(error) = self.host.settle() else {
            return;
        };
        let changed =
            |f: &Option<Finished>| f.as_ref().is_some_and(|f| f.outcome == Outcome::Changed);
        if let Some(index) = self.finished.iter().rposition(changed) {
            self.finished[index] = None;
            self.settle(index, Err(error.to_string()));
        }
    }

    /// A command or package that ran later may have undone an earlier block.
    pub(super) fn look_again(&mut self) {
        for index in 0..self.finished.len() {
            let Some(finished) = &self.finished[index] else {
                continue;
            };
            if !matches!(finished.outcome, Outcome::Ok | Outcome::Changed) {
                continue;
            }
            let undone = match self.decide(index, &Overlay::default()) {
                Ok(Decision::Act(action)) if !action.repeats => action.summary,
                Ok(Decision::Blocked(why)) => why,
                _ => continue,
            };
            self.finished[index] = None;
            let why = format!("it was in place, and a later block undid it: {undone}");
            self.settle(index, Err(why));
        }
    }

    /// A block has come to its end: what it changed is noticed, and a failure stops the run unless
    /// the block says otherwise.
    pub(super) fn settle(&mut self, index: usize, end: Ended) {
        let block = &self.config.blocks[index];
        match end {
            Ok(finished) => {
                if finished.outcome == Outcome::Changed {
                    self.notices.add(block, true);
                    self.handled(index);
                }
                self.finish(finished);
            }
            Err(why) => {
                if block.failure.on_error == OnError::Fail {
                    self.stopped = self.stopped.or(Some(Stop::Failed));
                }
                self.finish(ended(index, Outcome::Failed, &why));
            }
        }
    }

    pub(super) fn finish(&mut self, mut finished: Finished) {
        // An error repeats the last words of a tool, which may have been about a secret.
        if !finished.note.is_empty() {
            finished.note = self.mask().whole(&finished.note);
        }
        self.unkept |= matches!(
            finished.outcome,
            Outcome::Changed | Outcome::Failed | Outcome::Reverted
        );
        self.witness.tell(Event::Finished(finished.clone()));
        self.keep_result(&finished);
        let block = finished.block;
        self.finished[block] = Some(finished);
    }

    /// Has the witness keep what has finished, if it is worth that.
    pub(super) fn keep_ends(&mut self) {
        if std::mem::take(&mut self.unkept)
            && let Err(why) = self.witness.settle()
        {
            self.stopped = Some(Stop::Unrecorded);
            let last = self.finished.iter().rposition(Option::is_some);
            self.witness.tell(Event::Note {
                block: last.unwrap_or_default(),
                text: format!("nothing more is done, for what was done cannot be recorded: {why}"),
            });
        }
    }

    /// Keeps what a block has come to for those after it.
    pub(super) fn keep_result(&mut self, finished: &Finished) {
        let block = &self.config.blocks[finished.block];
        let now = Overlay::default();
        let view = View::new(&*self.host, &now, &self.config.scope, &block.own);
        let rev = results::commit(block, &view).unwrap_or_default();
        let result = self.results.of(block);
        result.changed = finished.outcome == Outcome::Changed;
        result.failed = finished.outcome == Outcome::Failed;
        result.exit = finished.exit;
        let is_out = finished.outcome == Outcome::Skipped;
        result.left_out = is_out.then(|| finished.note.clone());
        result.rev = rev;
    }
}

pub(super) fn ended(block: usize, outcome: Outcome, note: &str) -> Finished {
    Finished {
        block,
        outcome,
        note: note.to_owned(),
        exit: None,
    }
}

pub(super) fn not_run(block: usize) -> Finished {
    ended(block, Outcome::NotRun, "")
}
