//! Drift: what the host is by now, held against what its configs have asked for last.

use hpt_proto::{Delivery, Running};
use hpt_provisioner::config::Config;
use hpt_provisioner::plan::{Plan, Reveal, Verdict};

use crate::journal::{Journals, Standing};
use crate::lock;
use crate::orders::{Orders, Whose, request};
use crate::run::{RunError, Site};

/// What has moved since the last apply of one config.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The config's name.
    pub config: String,
    /// The run that brought it about, or the request that found all of it in place.
    pub applied: Running,
    /// A plan with nothing pending if nothing has moved; or why that cannot be told.
    pub found: Result<Plan, String>,
}

impl Site {
    /// What has moved since the last apply of this config, or of each one if the name is empty.
    ///
    /// # Errors
    /// If what is kept of configs cannot be read, or the host cannot be looked at.
    pub fn drift(&self, config: &str, reveal: Reveal) -> Result<Vec<Drift>, RunError> {
        let orders = Orders::open(self.places())?;
        let kept = match config {
            "" => orders.of_configs()?,
            name => orders.read(Whose::Config(name))?.into_iter().collect(),
        };
        let unsettled = self.unsettled()?;
        let mut drifts = Vec::new();
        for order in kept {
            let running = order.order.as_ref().and_then(|order| order.running.clone());
            let found = match (&unsettled, order.well, request(&order)) {
                (Some(why), ..) => Err(why.clone()),
                (None, true, Some(request)) => match Delivery::try_from(request.clone()) {
                    Ok(delivery) => self.moved(delivery, reveal)?,
                    Err(bad) => Err(format!("what is kept of it cannot be read: {bad}")),
                },
                _ => Err("its last run did not end well, or was undone".to_owned()),
            };
            drifts.push(Drift {
                config: order.config,
                applied: running.unwrap_or_default().into(),
                found,
            });
        }
        Ok(drifts)
    }

    /// Why nothing can be said of the host as it is at the moment.
    fn unsettled(&self) -> Result<Option<String>, RunError> {
        if let Some(running) = lock::holder(self.places())? {
            let journals = Journals::open(self.places())?;
            let standing = Standing::read(&journals, &running.run)?;
            // One that has told its end changes nothing any more.
            if !standing.is_some_and(|run| run.is_over) {
                return Ok(Some(format!("run {} goes on", running.run)));
            }
        }
        let broken = self.interrupted()?.and_then(|broken| broken.run);
        Ok(broken.map(|broken| format!("run {} broke off; provision it first", broken.run)))
    }

    fn moved(&self, delivery: Delivery, reveal: Reveal) -> Result<Result<Plan, String>, RunError> {
        let judged = self.judge(delivery, reveal)?;
        Ok(match judged {
            Ok((config, mut plan)) => {
                settle(&config, &mut plan);
                Ok(plan)
            }
            Err(faults) => {
                let first = faults.first().map_or("", |fault| fault.what.as_str());
                Err(format!("the host does not take it any more: {first}"))
            }
        })
    }
}

/// What acts in each run has not moved, nor has what is known only when applied.
fn settle(config: &Config, plan: &mut Plan) {
    for (block, planned) in config.blocks.iter().zip(&mut plan.blocks) {
        if block.is_never_in_place() || planned.verdict == Verdict::Maybe {
            planned.leave_out();
        }
    }
}
