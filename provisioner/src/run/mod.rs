//! An apply: the blocks of a config brought about on a host, in order, each judged again just
//! before it acts and once more afterwards.

mod act;
mod alone;
mod batch;
mod bounds;
mod due;
mod ends;
mod intent;
mod reboot;
mod revert;
mod witness;

use std::collections::BTreeSet;
use std::time::Duration;

use self::batch::{BATCH, Batch, sort_of};
use self::bounds::Bounds;
use self::ends::{Ended, ended, not_run};
use crate::block::{Block, Decision, OnError, Part};
use crate::config::Config;
use crate::effect::{Effect, Sort};
use crate::host::overlay::Overlay;
use crate::host::{HostError, Mutate};
use crate::notices::Notices;
use crate::plan::{Expected, foresee, read_replaced};
use crate::report::{Finished, Outcome, Report};
use crate::results::Results;
use crate::undo::Log;
use crate::view::{Reads, View};

pub use self::intent::Intent;
pub(crate) use self::intent::words;
pub use self::reboot::SoFar;
pub use self::witness::Witness;

/// From one look to the next of a block that waits.
const LOOK: Duration = Duration::from_millis(250);

/// Brings a config about on a host.
pub fn apply(config: &Config, host: &mut dyn Mutate, witness: &mut dyn Witness) -> Report {
    Run::of(config, host, witness).run_from(0)
}

/// The same, held to a plan: each block is looked at again at its moment, and the run stops at the
/// first one that would do more than was planned, or from something else than the plan saw.
pub fn apply_bound(
    config: &Config,
    expected: Expected,
    host: &mut dyn Mutate,
    witness: &mut dyn Witness,
) -> Report {
    let mut run = Run::of(config, host, witness);
    run.bounds = Some(Bounds::new(expected));
    run.run_from(0)
}

/// Goes on with a run whose host was rebooted in its midst, and is back.
pub fn go_on(
    config: &Config,
    host: &mut dyn Mutate,
    witness: &mut dyn Witness,
    so_far: SoFar,
) -> Report {
    let mut run = Run::of(config, host, witness);
    let next = run.take_over(so_far);
    run.run_from(next)
}

struct Run<'a> {
    config: &'a Config,
    host: &'a mut dyn Mutate,
    witness: &'a mut dyn Witness,
    /// The plan that it is held to, if there is one.
    bounds: Option<Bounds>,
    batch: Batch,
    finished: Vec<Option<Finished>>,
    notices: Notices,
    /// What its blocks have come to, for those after them.
    results: Results,
    /// Something ran that hpt cannot see into, so that earlier blocks need a second look.
    opaque: bool,
    /// The blocks that add a part of a thing of which nothing was there.
    adding: BTreeSet<usize>,
    /// Why what follows is not run.
    stopped: Option<Stop>,
    /// Something has finished that is not kept yet.
    unkept: bool,
    /// What was replaced so far, for a revert.
    log: Log,
    /// The handlers that this run has made due.
    due: Vec<usize>,
}

/// Why a run does not go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// A block failed. The handlers of what was changed before it run all the same.
    Failed,
    /// A health gate failed: what was changed is put back.
    Reverts,
    /// Whoever watches it wants no more.
    Cancelled,
    /// What it does cannot be recorded.
    Unrecorded,
    /// The host is not as the plan has it that it is bound to.
    Drifted,
}

impl<'a> Run<'a> {
    fn of(config: &'a Config, host: &'a mut dyn Mutate, witness: &'a mut dyn Witness) -> Self {
        Self {
            config,
            host,
            witness,
            bounds: None,
            batch: Batch::default(),
            finished: vec![None; config.blocks.len()],
            notices: Notices::default(),
            results: Results::default(),
            opaque: false,
            adding: BTreeSet::new(),
            stopped: None,
            unkept: false,
            log: Log::default(),
            due: Vec::new(),
        }
    }

    /// All blocks from this one on, and the end.
    fn run_from(mut self, from: usize) -> Report {
        for block in from..self.config.blocks.len() {
            self.step(block);
            self.keep_ends();
        }
        self.flush();
        let reverts = self.stopped == Some(Stop::Reverts);
        let reverted = reverts && self.revert();
        if !reverts {
            self.catch_up();
            if self.opaque {
                self.look_again();
            }
        }
        self.keep_ends();
        let finished = self.finished.into_iter().enumerate();
        let blocks = finished
            .map(|(block, finished)| finished.unwrap_or_else(|| not_run(block)))
            .collect();
        Report { blocks, reverted }
    }
}

impl Run<'_> {
    fn step(&mut self, index: usize) {
        let block = &self.config.blocks[index];
        let is_handler = block.kind == "handler";
        if is_handler || block.kind == "flush" || matches!(block.part, Part::Late(_)) {
            self.flush(); // what is in the batch may notify it, or have the result that it waits for
        }
        if self.stopped != Some(Stop::Cancelled) && !self.witness.go_on() {
            self.flush();
            self.stopped = Some(Stop::Cancelled);
        }
        match self.stopped {
            None => {}
            Some(Stop::Failed) if is_handler && self.config.flush_on_fail => {}
            Some(_) => {
                self.flush();
                return self.finish(not_run(index));
            }
        }
        let (decision, reads) = self.observe(index, &self.batch.overlay);
        let as_planned = self.judge(index, &decision, &reads);
        match &decision {
            Ok(Decision::InPlace) => {
                if is_handler {
                    self.needless(index);
                }
                return self.wait_in_place(index);
            }
            Ok(Decision::Act(action)) if batches(block) && as_planned.is_ok() => {
                let sort = sort_of(action);
                if sort != Sort::Alone && self.batch.takes(sort, action) {
                    self.batch.sort = Some(sort);
                    self.batch.effects += action.effects.len();
                    self.batch
                        .about
                        .extend(action.effects.iter().flat_map(Effect::about));
                    foresee(&mut self.batch.overlay, block, &decision, &*self.host);
                    self.batch.blocks.push((index, Some(action.clone())));
                    self.batch.reads.push(reads);
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
        let reverts = matches!(&decision, Ok(Decision::Check { reverts: true, .. }));
        let ended = match as_planned {
            Ok(()) => self.alone(index, decision, &reads),
            Err(drift) => self.drifted(drift),
        };
        let ended = self.try_again(index, ended);
        if reverts && ended.is_err() && block.failure.on_error == OnError::Fail {
            self.stopped = Some(Stop::Reverts);
        }
        self.settle(index, ended);
    }

    fn decide(&self, index: usize, overlay: &Overlay) -> Result<Decision, HostError> {
        self.observe(index, overlay).0
    }

    /// What a block would do, and what it was decided from: with what it replaces, if the run is
    /// bound to a plan.
    fn observe(&self, index: usize, overlay: &Overlay) -> (Result<Decision, HostError>, Reads) {
        let block = &self.config.blocks[index];
        let view = View::new(&*self.host, overlay, &self.config.scope, &block.own);
        let view = view.after(&self.results);
        let decision = self.notices.decide(self.config, index, &view);
        if let (Some(_), Ok(Decision::Act(action))) = (&self.bounds, &decision) {
            read_replaced(action, &view);
        }
        (decision, view.into_reads())
    }

    fn wait_in_place(&mut self, index: usize) {
        if self.batch.blocks.is_empty() {
            self.finish(ended(index, Outcome::Ok, ""));
        } else {
            self.batch.blocks.push((index, None));
        }
    }
}

/// Whether a block may share a batch: what fails there ends the batch.
fn batches(block: &Block) -> bool {
    block.failure.retries == 0
        && block.failure.timeout.is_none()
        && block.failure.on_error == OnError::Fail
}
