//! An apply: the blocks of a config brought about on a host, in order, each judged again just
//! before it acts and once more afterwards.

mod act;
mod batch;
mod bounds;
mod due;
mod intent;
mod reboot;
mod revert;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use self::batch::{BATCH, Batch, sort_of};
use self::bounds::{Bounds, Drift};
use crate::block::{Action, Block, Decision, OnError, Part};
use crate::config::Config;
use crate::effect::{Effect, Sort};
use crate::host::overlay::Overlay;
use crate::host::{Done, HostError, Mutate};
use crate::notices::Notices;
use crate::plan::{Expected, foresee, read_replaced};
use crate::report::{Event, Finished, Outcome, Report};
use crate::results::{self, Results};
use crate::undo::Log;
use crate::view::{Reads, View};

pub use self::intent::Intent;
pub use self::reboot::SoFar;

/// From one look to the next of a block that waits.
const LOOK: Duration = Duration::from_millis(250);

/// Who a run tells what it does, and who may stop it.
pub trait Witness {
    /// Is told what is about to be done, and keeps it where a crash cannot take it away.
    ///
    /// # Errors
    /// If it cannot be kept; then it is not done, and the run stops.
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()>;
    /// Hears an event. What has finished need not be kept, nor shown to anybody, before
    /// [`Witness::settle`].
    fn tell(&mut self, event: Event);
    /// Keeps what has finished where a crash cannot take it away: the host holds it durably.
    ///
    /// # Errors
    /// If it cannot be kept; then the run stops.
    fn settle(&mut self) -> io::Result<()>;
    /// Whether to go on; asked between blocks.
    fn go_on(&mut self) -> bool;
}

/// Nobody: nothing is kept, for hosts that a crash takes away as a whole.
impl Witness for () {
    fn intend(&mut self, _: &[Intent]) -> io::Result<()> {
        Ok(())
    }

    fn tell(&mut self, _: Event) {}

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

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

    /// The host is not as it was planned: nothing of the block is done, and nothing after it.
    fn drifted(&mut self, Drift { mut why, of_file }: Drift) -> Ended {
        self.stopped = Some(Stop::Drifted);
        if of_file && self.opaque {
            why += "; a command of this run that changes it names it in `changes`";
        }
        Err(why)
    }

    /// Another try, and another, for a block that failed and says so many.
    fn try_again(&mut self, index: usize, mut ended: Ended) -> Ended {
        let failure = self.config.blocks[index].failure;
        for _ in 0..failure.retries {
            let Err(why) = &ended else {
                break;
            };
            if self.stopped == Some(Stop::Drifted) || !self.witness.go_on() {
                break;
            }
            let text = format!("tries again in {:?}: {why}", failure.delay);
            let text = self.mask().whole(&text);
            self.witness.tell(Event::Note { block: index, text });
            self.host.pause(failure.delay);
            let (decision, reads) = self.observe(index, &Overlay::default());
            ended = match self.judge(index, &decision, &reads) {
                Ok(()) => self.alone(index, decision, &reads),
                Err(drift) => self.drifted(drift),
            };
        }
        ended
    }

    /// A block that does not share a batch, within the time that it gives itself.
    fn alone(
        &mut self,
        index: usize,
        decision: Result<Decision, HostError>,
        reads: &Reads,
    ) -> Ended {
        self.host.limit(self.config.blocks[index].failure.timeout);
        let ended = self.untimed(index, decision, reads);
        self.host.limit(None);
        ended
    }

    fn untimed(
        &mut self,
        index: usize,
        decision: Result<Decision, HostError>,
        reads: &Reads,
    ) -> Ended {
        match decision.map_err(|error| error.to_string())? {
            Decision::InPlace => Ok(ended(index, Outcome::Ok, "")),
            Decision::Skip(why) | Decision::Orphan(why) => Ok(ended(index, Outcome::Skipped, &why)),
            Decision::Blocked(why) => Err(why),
            Decision::Maybe(cause) => Err(format!(
                "it still cannot be decided: it depends on {}",
                cause.0
            )),
            Decision::Ask {
                guard,
                wants,
                pure,
                action,
            } => match self.host.guard(&guard) {
                Ok(answer) if answer == wants => self.act_as_planned(index, &action, reads),
                Ok(_) if pure => Ok(ended(index, Outcome::Ok, "")),
                Ok(_) => Ok(ended(index, Outcome::Skipped, "not needed")),
                Err(error) => Err(format!("its guard: {error}")),
            },
            Decision::Await { within, what } => self.wait(index, within, &what),
            Decision::Check { probe, within, .. } => self.check(index, &probe, within),
            Decision::Reboot { within, .. } => self.reboot(index, within),
            Decision::Act(action) => self.act_as_planned(index, &action, reads),
        }
    }

    fn act_as_planned(&mut self, index: usize, action: &Action, reads: &Reads) -> Ended {
        self.refresh();
        match self.verify(reads) {
            Ok(()) => self.act(index, action, reads),
            Err(drift) => self.drifted(drift),
        }
    }

    /// Looks again and again until a block is in place, or its time is up.
    fn wait(&mut self, index: usize, within: Duration, what: &str) -> Ended {
        self.witness.tell(Event::Started { block: index });
        let mut waited = Duration::ZERO;
        while waited < within {
            if !self.witness.go_on() {
                self.stopped = Some(Stop::Cancelled);
                return Ok(not_run(index));
            }
            self.host.pause(LOOK);
            waited += LOOK;
            match self.observe(index, &Overlay::default()) {
                (Ok(Decision::Await { .. }), _) => {}
                (Ok(Decision::InPlace), _) => {
                    let note = format!("after {} s", waited.as_secs());
                    return Ok(ended(index, Outcome::Ok, &note));
                }
                (other, reads) => return self.untimed(index, other, &reads),
            }
        }
        let seconds = within.as_secs();
        Err(format!("waited {seconds} s for {what}, in vain"))
    }

    /// A block has acted: whether the host shows it now. Tools exit 0 and lie.
    fn conclude(&mut self, index: usize, action: &Action, done: Done) -> Ended {
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
    fn catch_up(&mut self) {
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
            let why = format!("it was in place, and a later block undid it: {undone}");
            self.settle(index, Err(why));
        }
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

    /// A block has come to its end: what it changed is noticed, and a failure stops the run unless
    /// the block says otherwise.
    fn settle(&mut self, index: usize, end: Ended) {
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

    fn finish(&mut self, mut finished: Finished) {
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
    fn keep_ends(&mut self) {
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
    fn keep_result(&mut self, finished: &Finished) {
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

/// How a block has ended, or why it failed.
type Ended = Result<Finished, String>;

/// Whether a block may share a batch: what fails there ends the batch.
fn batches(block: &Block) -> bool {
    block.failure.retries == 0
        && block.failure.timeout.is_none()
        && block.failure.on_error == OnError::Fail
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
