//! A run that holds its host: everything is judged, nothing is changed yet; and its changes.

use std::collections::{BTreeMap, BTreeSet};

use hpt_proto::{Begun, End, Told};
use hpt_provisioner::config::Config;
use hpt_provisioner::host::live::Live;
use hpt_provisioner::ledger::Ledger;
use hpt_provisioner::run::apply;
use hpt_provisioner::secret::Secret;

use crate::Places;
use crate::confirm::Confirmation;
use crate::guard::Guardian;
use crate::journal::{Journal, Journals, cancel_path};
use crate::ledger::Ledgers;
use crate::lock::Lock;
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
    /// What the config owns, and is about to own.
    pub(crate) ledger: Ledger,
    pub(crate) places: Places,
    pub(crate) guardian: Option<Guardian>,
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
        self.recorded.begin(&self.journals)?;
        let ledgers = Ledgers::of(&self.places, self.journals.clone());
        if let Err(why) = ledgers.begin(&run, &self.ledger) {
            return Err(RunError::Ledger(self.recorded.failed(why)));
        }
        if let Some(guardian) = &self.guardian {
            guardian.arm(&self.places, &run, self.begun.confirm)?;
        }
        let journal = Journal::begin(
            &self.journals,
            self.begun,
            self.in_doubt,
            self.recorded.key(),
            cancel,
            hear,
        );
        let mut journal = journal.map_err(|why| self.recorded.failed(why))?;
        let report = apply(&self.config, &mut self.host, &mut journal);
        if self.guardian.is_some()
            && let Some(confirmation) = Confirmation::of(&self.journals, &run)
            && let Err(why) = confirmation.note_end()
        {
            tracing::error!("the end of the run cannot be noted: {why}"); // its guardian will
        }
        let ids = self.config.blocks.iter().map(|block| block.id.as_str());
        ledgers.end(&run, self.ledger, &report, ids);
        Ok(self.recorded.end(End::Report { run, report }, journal))
    }
}
