//! An apply: the blocks of a config brought about on a host, in order, each judged again just
//! before it acts and once more afterwards.

mod act;
mod batch;

use self::batch::{BATCH, Batch, sort_of};
use crate::block::{Action, Block, Decision};
use crate::config::Config;
use crate::effect::{Effect, Sort};
use crate::host::overlay::Overlay;
use crate::host::{Done, HostError, Mutate};
use crate::plan::{Digest, Reveal, foresee, plan};
use crate::report::{Event, Finished, Outcome, Report};
use crate::view::View;

/// Who a run tells what it does, and who may stop it.
pub trait Witness {
    /// Hears an event.
    fn tell(&mut self, event: Event);
    /// Whether to go on; asked between blocks.
    fn go_on(&mut self) -> bool;
}

/// Why a run did not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host no longer shows what the plan was made from.
    #[error(
        "the host has changed since plan {planned} was made: it is plan {now} by now; plan again"
    )]
    Moved {
        /// The plan that was agreed to.
        planned: Digest,
        /// What would be planned now.
        now: Digest,
    },
}

/// Brings a config about on a host. With `bound`, only if the plan is still that one.
///
/// # Errors
/// If the host has moved since the plan that this is bound to; nothing was done then.
pub fn apply(
    config: &Config,
    host: &mut dyn Mutate,
    bound: Option<Digest>,
    witness: &mut dyn Witness,
) -> Result<Report, Refusal> {
    if let Some(planned) = bound {
        let now = plan(config, &*host, Reveal::Outline).digest;
        if now != planned {
            return Err(Refusal::Moved { planned, now });
        }
    }
    let mut run = Run {
        config,
        host,
        witness,
        batch: Batch::default(),
        finished: vec![None; config.blocks.len()],
        opaque: false,
        stopped: false,
    };
    for block in 0..config.blocks.len() {
        run.step(block);
    }
    run.flush();
    if run.opaque {
        run.look_again();
    }
    let blocks = run
        .finished
        .into_iter()
        .enumerate()
        .map(|(block, finished)| finished.unwrap_or_else(|| not_run(block)))
        .collect();
    Ok(Report { blocks })
}

struct Run<'a> {
    config: &'a Config,
    host: &'a mut dyn Mutate,
    witness: &'a mut dyn Witness,
    batch: Batch,
    finished: Vec<Option<Finished>>,
    /// Something ran that hpt cannot see into, so that earlier blocks need a second look.
    opaque: bool,
    /// A block failed or the run was cancelled: what follows is not run.
    stopped: bool,
}

impl Run<'_> {
    fn step(&mut self, index: usize) {
        if self.stopped || !self.witness.go_on() {
            self.flush();
            self.stopped = true;
            return self.finish(not_run(index));
        }
        let block = &self.config.blocks[index];
        let decision = self.decide(index, &self.batch.overlay);
        match &decision {
            Ok(Decision::InPlace) => return self.wait_in_place(index),
            Ok(Decision::Act(action)) => {
                let sort = sort_of(action);
                if sort != Sort::Alone && self.batch.takes(sort, action) {
                    self.batch.sort = Some(sort);
                    self.batch.effects += action.effects.len();
                    self.batch
                        .paths
                        .extend(action.effects.iter().filter_map(Effect::path).cloned());
                    foresee(&mut self.batch.overlay, block, &decision, &*self.host);
                    self.batch.blocks.push((index, Some(action.clone())));
                    if self.batch.effects >= BATCH {
                        self.flush();
                    }
                    return;
                }
            }
            _ => {}
        }
        if !self.batch.blocks.is_empty() {
            self.flush();
            return self.step(index); // judged against the host itself now
        }
        self.alone(index, decision);
    }

    /// A block that does not share a batch.
    fn alone(&mut self, index: usize, decision: Result<Decision, HostError>) {
        match decision {
            Ok(Decision::InPlace) => self.finish(ended(index, Outcome::Ok, "")),
            Ok(Decision::Skip(why)) => self.finish(ended(index, Outcome::Skipped, &why)),
            Ok(Decision::Blocked(why)) => self.fail(index, &why),
            Ok(Decision::Maybe(cause)) => {
                self.fail(
                    index,
                    &format!("it still cannot be decided: it depends on {}", cause.0),
                );
            }
            Ok(Decision::Ask {
                guard,
                wants,
                action,
            }) => match self.host.guard(&guard) {
                Ok(answer) if answer == wants => self.act(index, &action),
                Ok(_) => self.finish(ended(index, Outcome::Skipped, "not needed")),
                Err(error) => self.fail(index, &format!("its guard: {error}")),
            },
            Ok(Decision::Act(action)) => self.act(index, &action),
            Err(error) => self.fail(index, &error.to_string()),
        }
    }

    /// A block has acted: whether the host shows it now. Tools exit 0 and lie.
    fn conclude(&mut self, index: usize, action: &Action, done: Done) {
        let changed = Finished {
            block: index,
            outcome: Outcome::Changed,
            note: done.note,
            exit: done.exit,
        };
        if action.repeats {
            return self.finish(changed);
        }
        match self.decide(index, &Overlay::default()) {
            Ok(Decision::InPlace | Decision::Ask { .. } | Decision::Skip(_)) => {
                self.finish(changed);
            }
            Ok(Decision::Act(left)) => {
                let what = format!(
                    "every step succeeded, yet this is still to be done: {}",
                    left.summary
                );
                self.fail(index, &what);
            }
            Ok(Decision::Blocked(why)) => self.fail(index, &why),
            Ok(Decision::Maybe(_)) => self.finish(changed),
            Err(error) => self.fail(index, &error.to_string()),
        }
    }

    /// A command or package that ran later may have undone an earlier block.
    fn look_again(&mut self) {
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
            self.fail(
                index,
                &format!("it was in place, and a later block undid it: {undone}"),
            );
        }
    }

    fn decide(&self, index: usize, overlay: &Overlay) -> Result<Decision, HostError> {
        let block: &Block = &self.config.blocks[index];
        block.decide(&View::new(
            &*self.host,
            overlay,
            &self.config.scope,
            &block.own,
        ))
    }

    fn wait_in_place(&mut self, index: usize) {
        if self.batch.blocks.is_empty() {
            self.finish(ended(index, Outcome::Ok, ""));
        } else {
            self.batch.blocks.push((index, None));
        }
    }

    fn fail(&mut self, index: usize, why: &str) {
        self.stopped = true;
        self.finish(ended(index, Outcome::Failed, why));
    }

    fn finish(&mut self, mut finished: Finished) {
        // An error repeats the last words of a tool, which may have been about a secret.
        if !finished.note.is_empty() {
            finished.note = self.mask().whole(&finished.note);
        }
        self.witness.tell(Event::Finished(finished.clone()));
        let block = finished.block;
        self.finished[block] = Some(finished);
    }
}

fn ended(block: usize, outcome: Outcome, note: &str) -> Finished {
    Finished {
        block,
        outcome,
        note: note.to_owned(),
        exit: None,
    }
}

fn not_run(block: usize) -> Finished {
    ended(block, Outcome::NotRun, "")
}
