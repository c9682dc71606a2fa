//! What is kept of an order: what was asked for and by whom, with its secrets, by the name of its config.

use std::time::Duration;

use hpt_proto::Delivery;
use hpt_proto::convert::to_secrets;
use hpt_proto::wire::{ApplyRequest, KeptOrder, Request, RunRequest};
use hpt_provisioner::config::Config;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::plan::{Plan, Reveal};

use crate::orders::Orders;
use crate::run::{Order, RunError, Site};

/// What an apply would come to.
#[derive(Debug)]
pub struct Looked {
    /// What it would do.
    pub plan: Result<Plan, Vec<Fault>>,
    /// Whether all is in place without the host knowing yet that this was asked for.
    pub unkept: bool,
    /// In what time it would have to be confirmed; zero if it need not be.
    pub confirm: Duration,
}

impl Site {
    /// What an apply would come to.
    ///
    /// # Errors
    /// Those of [`Site::plan`].
    pub fn look(&self, delivery: Delivery, reveal: Reveal) -> Result<Looked, RunError> {
        let request = Request::from(&delivery);
        Ok(match self.judge(delivery, reveal)? {
            Ok((config, plan)) => {
                let window = || self.window(&config, &plan);
                Looked {
                    unkept: plan.is_empty() && !self.knows(request, &config)?,
                    confirm: if plan.is_empty() {
                        Duration::ZERO
                    } else {
                        config.confirm.unwrap_or_else(window)
                    },
                    plan: Ok(plan),
                }
            }
            Err(faults) => Looked {
                plan: Err(faults),
                unkept: false,
                confirm: Duration::ZERO,
            },
        })
    }

    /// Whether this is what is kept of the config.
    fn knows(&self, request: Request, config: &Config) -> Result<bool, RunError> {
        let orders = Orders::open(self.places())?;
        let apply = Some(ApplyRequest {
            request: Some(request),
            ..ApplyRequest::default()
        });
        let order = Some(RunRequest {
            apply,
            ..RunRequest::default()
        });
        let kept = KeptOrder {
            order,
            ..KeptOrder::default()
        };
        Ok(orders.knows(&named(kept, config)))
    }
}

/// What is kept of an order: what was asked for, and by whom.
pub(crate) fn keep(order: &Order) -> KeptOrder {
    KeptOrder {
        config: String::new(),
        order: Some(RunRequest {
            apply: Some(ApplyRequest {
                request: Some(Request::from(&order.delivery)),
                ..ApplyRequest::default()
            }),
            running: Some(order.running.clone().into()),
            exec: order.exec,
            key: order.asked.key.clone(),
            grants: order.asked.grants.clone(),
            ..RunRequest::default()
        }),
        well: true,
    }
}

/// The same by the name of its config, with the secrets that were sealed in it.
pub(crate) fn named(mut kept: KeptOrder, config: &Config) -> KeptOrder {
    kept.config = config.name.to_string();
    let request = kept.order.as_mut().and_then(|order| order.apply.as_mut());
    if let Some(request) = request.and_then(|apply| apply.request.as_mut())
        && let Some(secrets) = &config.scope.secrets
    {
        request.secrets = to_secrets(secrets);
    }
    kept
}
