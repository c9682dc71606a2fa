//! A run that holds its host: everything is judged, nothing is changed yet; and its changes.

use std::collections::{BTreeMap, BTreeSet};

use hpt_proto::wire::KeptOrder;
use hpt_proto::{Begun, End, Told};
use hpt_provisioner::config::Config;
use hpt_provisioner::host::live::Live;
use hpt_provisioner::run::{SoFar, apply, go_on};
use hpt_provisioner::secret::Secret;

use crate::Places;
use crate::confirm::Confirmation;
use crate::guard::Guardian;
use crate::journal::{Journal, Journals, cancel_path};
use crate::lock::Lock;
use crate::orders::{Orders, Whose};
use crate::recorded::Recorded;
use crate::run::RunError;

/// What is left to do.
pub(crate) enum Prepared {
    /// Nothing; the host is as it was.
    Over(End),
    /// The run.
    Due(Box<Due>),
}

/// A run that holds its host and has changed nothing yet.
pub(crate) struct Due {
    pub(crate) host: Live,
    pub(crate) config: Config,
    pub(crate) begun: Begun,
    /// Commands that it will not come to, and that stay in doubt.
    pub(crate) in_doubt: BTreeSet<String>,
    pub(crate) journals: Journals,
    pub(crate) recorded: Recorded,
    pub(crate) places: Places,
    pub(crate) guardian: Option<Guardian>,
    /// What is kept of it.
    pub(crate) order: KeptOrder,
    /// How far it had got when its host was rebooted, if it was.
    pub(crate) so_far: Option<SoFar>,
    /// Held until all is over.
    pub(crate) _lock: Lock,
}

impl Due {
    /// The secrets of the run, also those that were sealed.
    pub(crate) fn into_secrets(self) -> BTreeMap<String, Secret> {
        self.config.scope.secrets.unwrap_or_default()
    }

    pub(crate) fn perform(mut self, hear: &mut dyn FnMut(Told)) -> Result<End, RunError> {
        let run = self.begun.running.run.clone();
        let cancel = cancel_path(&self.places.run, &run);
        let orders = Orders::open(&self.places)?;
        if self.so_far.is_none() {
            orders.forget_runs()?;
        }
        let reboots = !self.begun.away.is_zero();
        if reboots {
            orders.keep(Whose::Run(&run), &self.order)?;
        }
        self.recorded.begin(&self.journals)?;
        if let Some(guardian) = &self.guardian {
            guardian.arm(&self.places, &run, self.begun.confirm)?;
        }
        let journal = match self.so_far {
            None => Journal::begin(&self.journals, self.begun, self.in_doubt, cancel, hear),
            Some(_) => Journal::go_on(&self.journals, self.begun, cancel, hear),
        };
        let mut journal = journal.map_err(|why| self.recorded.failed(why))?;
        let (config, host) = (&self.config, &mut self.host);
        let report = match self.so_far.take() {
            None => apply(config, host, &mut journal),
            Some(so_far) => go_on(config, host, &mut journal, so_far),
        };
        self.order.well = report.succeeded();
        orders.note_end(&self.order);
        if self.guardian.is_some()
            && let Some(confirmation) = Confirmation::of(&self.journals, &run)
            && let Err(why) = confirmation.note_end()
        {
            tracing::error!("the end of the run cannot be noted: {why}"); // its guardian will
        }
        let end = End::Report {
            run: run.clone(),
            report,
        };
        // Before the end is told: whoever hears of it finds the host free.
        if reboots && let Err(why) = orders.forget(Whose::Run(&run)) {
            tracing::warn!("what was kept of run {run} stays: {why}");
        }
        Ok(self.recorded.end(end, journal))
    }
}
