//! A block that acts by itself, within its time and with its tries.

use std::time::Duration;

use super::bounds::Drift;
use super::{Ended, LOOK, Run, Stop, ended, not_run};
use crate::block::{Action, Decision};
use crate::host::HostError;
use crate::host::overlay::Overlay;
use crate::report::{Event, Outcome};
use crate::view::Reads;

impl Run<'_> {
    /// The host is not as it was planned: nothing of the block is done, and nothing after it.
    pub(super) fn drifted(&mut self, Drift { mut why, of_file }: Drift) -> Ended {
        self.stopped = Some(Stop::Drifted);
        if of_file && self.opaque {
            why += "; a command of this run that changes it names it in `changes`";
        }
        Err(why)
    }

    /// Another try, and another, for a block that failed and says so many.
    pub(super) fn try_again(&mut self, index: usize, mut ended: Ended) -> Ended {
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
    pub(super) fn alone(
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

    pub(super) fn untimed(
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

    pub(super) fn act_as_planned(&mut self, index: usize, action: &Action, reads: &Reads) -> Ended {
        self.refresh();
        match self.verify(reads) {
            Ok(()) => self.act(index, action, reads),
            Err(drift) => self.drifted(drift),
        }
    }

    /// Looks again and again until a block is in place, or its time is up.
    pub(super) fn wait(&mut self, index: usize, within: Duration, what: &str) -> Ended {
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
}
