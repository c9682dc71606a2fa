//! A run that holds its host: everything is judged, nothing is changed yet; and its changes.

use std::collections::{BTreeMap, BTreeSet};

use hpt_proto::wire::{Header, KeptOrder};
use hpt_proto::{Begun, End, Told};
use hpt_provisioner::config::Config;
use hpt_provisioner::host::live::Live;
use hpt_provisioner::ledger::Ledger;
use hpt_provisioner::plan::{Digest, Expected};
use hpt_provisioner::run::{SoFar, apply, apply_bound, go_on};
use hpt_provisioner::secret::Secret;

use crate::Places;
use crate::confirm::{self, note_end};
use crate::guard::Guardian;
use crate::journal::{Journal, Journals, cancel_path};
use crate::ledger::Ledgers;
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

/// From where it starts.
pub(crate) enum Start {
    /// The host as it is.
    Anew,
    /// A plan that it is bound to, and what that lets it do.
    Bound(Digest, Expected),
    /// How far it had got when its host was rebooted.
    Resumed(SoFar),
}

/// A run that holds its host and has changed nothing yet.
pub(crate) struct Due {
    pub(crate) host: Live,
    pub(crate) config: Config,
    pub(crate) start: Start,
    pub(crate) begun: Begun,
    /// Commands that it will not come to, and that stay in doubt.
    pub(crate) in_doubt: BTreeSet<String>,
    pub(crate) journals: Journals,
    pub(crate) recorded: Recorded,
    /// What the config owns, and is about to own.
    pub(crate) ledger: Ledger,
    pub(crate) places: Places,
    pub(crate) guardian: Option<Guardian>,
    /// What is kept of it.
    pub(crate) order: KeptOrder,
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
        let is_resumed = matches!(self.start, Start::Resumed(_));
        if !is_resumed {
            orders.forget_runs()?;
        }
        let reboots = !self.begun.away.is_zero();
        if reboots {
            orders.keep(Whose::Run(&run), &self.order)?;
        }
        self.recorded.begin(&self.journals)?;
        let ledgers = Ledgers::of(&self.places, self.journals.clone());
        if !is_resumed && let Err(why) = ledgers.begin(&run, &self.ledger) {
            return Err(RunError::Ledger(self.recorded.failed(why)));
        }
        if let Some(guardian) = &self.guardian {
            let armed = guardian.arm(&self.places, &run, self.begun.confirm);
            armed.map_err(|why| self.recorded.failed(why))?;
        }
        if let Start::Bound(plan, _) = &self.start {
            let used = self.journals.use_plan(*plan, &run);
            used.map_err(|why| self.recorded.failed(why))?;
        }
        let journal = if is_resumed {
            let age = self.recorded.age(self.begun.running.since);
            Journal::go_on(&self.journals, self.begun, age, cancel, hear)
        } else {
            let of = Header {
                in_doubt: self.in_doubt.into_iter().collect(),
                key: self.recorded.key().to_owned(),
                ..Header::default()
            };
            Journal::begin(&self.journals, self.begun, of, cancel, hear)
        };
        let mut journal = journal.map_err(|why| self.recorded.failed(why))?;
        let (config, host) = (&self.config, &mut self.host);
        let report = match self.start {
            Start::Anew => apply(config, host, &mut journal),
            Start::Bound(_, expected) => apply_bound(config, expected, host, &mut journal),
            Start::Resumed(so_far) => go_on(config, host, &mut journal, so_far),
        };
        let rested = confirm::now();
        self.order.well = report.succeeded();
        orders.note_end(&self.order);
        let ids = self.config.blocks.iter().map(|block| block.id.as_str());
        ledgers.end(&run, self.ledger, &report, ids);
        // Before the end is told: whoever hears of it finds the host free.
        if reboots && let Err(why) = orders.forget(Whose::Run(&run)) {
            tracing::warn!("what was kept of run {run} stays: {why}");
        }
        let end = self.recorded.end(report, journal);
        // Last, as the time runs from here on in which it can be confirmed.
        if self.guardian.is_some() {
            note_end(&self.journals, &run, rested);
        }
        Ok(end)
    }
}
