//! Which handlers are due: who has notified them, in this run or in an earlier one that failed.

use std::collections::BTreeMap;

use crate::block::{Action, Block, Body, Decision, Part, Verb};
use crate::config::Config;
use crate::effect::UnitJob;
use crate::host::overlay::Cause;
use crate::host::{HostError, Memo};
use crate::name::UnitId;
use crate::view::View;

/// The handlers that are due, by their index among the blocks.
#[derive(Default)]
pub(crate) struct Notices(BTreeMap<usize, Notice>);

/// Why a handler is due.
struct Notice {
    /// The block that notified it.
    by: String,
    /// Whether that block changes something; a plan may not know.
    sure: bool,
    /// Whether another handler has restarted since what this one reloads.
    superseded: bool,
}

/// What stands for the block that notified a handler in an earlier run.
const EARLIER: &str = "an earlier run";

impl Notices {
    /// The handlers of this block become due: it changes something, or perhaps.
    pub(crate) fn add(&mut self, block: &Block, sure: bool) {
        for handler in &block.notify {
            let new = Notice {
                by: block.id.clone(),
                sure,
                superseded: false,
            };
            match self.0.get(handler) {
                Some(old) if !old.superseded && (old.sure || !sure) => {}
                _ => drop(self.0.insert(*handler, new)),
            }
        }
    }

    /// This block has run, and what was due because of it is done.
    pub(crate) fn done(&mut self, config: &Config, index: usize) {
        match config.blocks[index].kind {
            "handler" => {
                self.0.remove(&index);
                self.supersede(config, index);
            }
            "flush" => self.0.clear(),
            _ => {}
        }
    }

    /// What this handler has restarted need not be reloaded, also for the sake of an earlier run.
    fn supersede(&mut self, config: &Config, index: usize) {
        let Some((name, UnitJob::Restart)) = job(&config.blocks[index]) else {
            return;
        };
        for (other, block) in config.blocks.iter().enumerate() {
            if job(block).is_some_and(|(unit, job)| unit == name && job == UnitJob::Reload) {
                let notice = Notice {
                    by: config.blocks[index].id.clone(),
                    sure: true,
                    superseded: true,
                };
                self.0.insert(other, notice);
            }
        }
    }

    /// The handlers that this block runs if it acts: itself, or all that are due.
    pub(crate) fn run_by(&self, config: &Config, index: usize) -> Vec<usize> {
        match config.blocks[index].kind {
            "handler" => vec![index],
            "flush" => self.0.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// What a block would do, handlers only if they are due.
    pub(crate) fn decide(
        &self,
        config: &Config,
        index: usize,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        let block = &config.blocks[index];
        match block.kind {
            "handler" => self.handler(config, index, view),
            "flush" if matches!(block.part, Part::In(_)) => self.flush(config, view),
            _ => block.decide(view),
        }
    }

    fn handler(
        &self,
        config: &Config,
        index: usize,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        let block = &config.blocks[index];
        let left_over = Notice {
            by: EARLIER.to_owned(),
            sure: true,
            superseded: false,
        };
        let notice = match self.0.get(&index) {
            Some(notice) if notice.superseded => return Ok(Decision::InPlace),
            Some(notice) if notice.sure => notice,
            _ if view.remembers(&due(block))? => &left_over,
            Some(notice) => return Ok(Decision::Maybe(Cause(notice.by.clone()))),
            None => return Ok(Decision::InPlace),
        };
        if self.is_superseded(config, block) {
            return Ok(Decision::InPlace);
        }
        Ok(match block.decide(view)? {
            Decision::Act(action) => {
                let summary = format!("{}, because of {}", action.summary, notice.by);
                Decision::Act(Action { summary, ..action })
            }
            other => other,
        })
    }

    /// All that are due, in the order in which they stand.
    fn flush(&self, config: &Config, view: &View<'_>) -> Result<Decision, HostError> {
        let mut all = Action::new(Verb::Run, "", Vec::new());
        let mut words = Vec::new();
        let mut maybe = None;
        for index in self.0.keys() {
            match self.handler(config, *index, view)? {
                Decision::Act(action) => {
                    words.push(action.summary);
                    all.effects.extend(action.effects);
                }
                Decision::Maybe(cause) => maybe = Some(cause),
                Decision::Blocked(why) => return Ok(Decision::Blocked(why)),
                _ => {}
            }
        }
        all.summary = words.join("; ");
        all.repeats = true;
        Ok(match maybe {
            _ if !all.effects.is_empty() => Decision::Act(all),
            Some(cause) => Decision::Maybe(cause),
            None => Decision::InPlace,
        })
    }

    /// Whether another handler that is due restarts what this one reloads.
    fn is_superseded(&self, config: &Config, block: &Block) -> bool {
        let Some((name, UnitJob::Reload)) = job(block) else {
            return false;
        };
        let sure = self.0.iter().filter(|(_, notice)| notice.sure);
        let mut jobs = sure.filter_map(|(other, _)| job(&config.blocks[*other]));
        jobs.any(|(other, job)| other == name && job == UnitJob::Restart)
    }
}

/// What is remembered of a handler that is due until it has run.
pub(crate) fn due(handler: &Block) -> Memo {
    Memo::Due(handler.id.clone())
}

fn job(block: &Block) -> Option<(UnitId, UnitJob)> {
    match &block.part {
        Part::In(body) => match body.as_ref() {
            Body::Handler(handler) => handler.job(),
            _ => None,
        },
        Part::Late(_) | Part::Out(_) | Part::Orphan(_) => None,
    }
}
