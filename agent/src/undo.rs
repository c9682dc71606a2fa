//! Undoing a run on this host: what it would come to, and the run that does it.

use std::collections::BTreeSet;
use std::time::Duration;

use hpt_proto::wire::{PlanUndoReply, Undoing};
use hpt_proto::{Begun, End, Running, Told};
use hpt_provisioner::undo::{Fate, foresee, undo};

use crate::audit::{Asked, Audit, Entry, Kind};
use crate::confirm::{Confirmation, Stage};
use crate::journal::{Journal, Journals, Past, Standing, cancel_path};
use crate::ledger::Ledgers;
use crate::lock::{Lock, LockError};
use crate::orders::Orders;
use crate::prepare::undecided;
use crate::recorded::Recorded;
use crate::run::{RunError, Site};

impl Site {
    /// What an undo of this run would put back, or of the last one that has changed something; `None`
    /// if there is no such run.
    ///
    /// # Errors
    /// If the host cannot be opened, or its journals cannot be read.
    pub fn plan_undo(&self, run: &str) -> Result<Option<PlanUndoReply>, RunError> {
        let journals = Journals::open(self.places())?;
        let past = match run {
            "" => Past::last(&journals)?,
            run => Past::of(&journals, run)?,
        };
        let Some(past) = past else {
            return Ok(None);
        };
        let fates = foresee(&past.changes, &self.host()?);
        let blocks = past
            .blocks
            .into_iter()
            .zip(fates)
            .map(|(block, fate)| Undoing {
                id: block.id,
                gone: fate == Fate::Gone,
                runs: fate == Fate::Reverts { runs: true },
                stays: match fate {
                    Fate::Stays(why) => why,
                    Fate::Reverts { .. } | Fate::Gone => Vec::new(),
                },
            });
        Ok(Some(PlanUndoReply {
            blocks: blocks.collect(),
            run: Some(past.begun.running.into()),
        }))
    }

    /// Puts back what a run replaced, as a run of its own.
    ///
    /// # Errors
    /// If the host cannot be opened, or there is no such run.
    pub fn undo(
        &self,
        run: &str,
        running: Running,
        asked: &Asked,
        hear: &mut dyn FnMut(Told),
    ) -> Result<End, RunError> {
        let lock = match Lock::take(self.places(), &running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(End::Busy(holder)),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(self.places())?;
        if let Some(holder) = undecided(&journals, Some(run))? {
            return Ok(End::Busy(holder));
        }
        if let Some(open) = Standing::unfinished(&journals)?.filter(Standing::is_awaited) {
            return Ok(End::Busy(open.running()));
        }
        let past = Past::of(&journals, run)?.ok_or_else(|| RunError::NoRun(run.to_owned()))?;
        let in_doubt = match Standing::last(&journals)? {
            Some(last) => last.commands_in_doubt(),
            None => BTreeSet::new(),
        };
        let mut host = self.host()?;
        let cancel = cancel_path(&self.places().run, &running.run);
        let id = running.run.clone();
        let entry = Entry::of_run(Kind::UndoBegan, &running, asked).with("undoes", run);
        let recorded = Recorded::new(Audit::open(self.places())?, entry, asked);
        recorded.begin(&journals)?;
        let ledgers = Ledgers::of(self.places(), journals.clone());
        let owned = ledgers.begin_undo(&past, &id);
        let owned = owned.map_err(|why| RunError::Ledger(recorded.failed(why)))?;
        let begun = Begun {
            running,
            blocks: past.blocks.clone(),
            confirm: Duration::ZERO,
            away: Duration::ZERO,
            config: String::new(),
            undoes: run.to_owned(),
        };
        let confirmation = Confirmation::of(&journals, run);
        let waited = confirmation.filter(|waiting| waiting.stage() == Some(Stage::Armed));
        let journal = Journal::begin(&journals, begun, in_doubt, recorded.key(), cancel, hear);
        let mut journal = journal.map_err(|why| recorded.failed(why))?;
        let report = undo(&past.changes, &mut host, &mut journal);
        ledgers.end_undo(&past, &report, owned);
        let confirmation = Confirmation::of(&journals, run);
        let undecided =
            confirmation.filter(|of| matches!(of.stage(), Some(Stage::Armed | Stage::Reverting)));
        if let Some(Err(why)) = undecided.map(|of| of.restore_ruleset()) {
            tracing::error!("the packet filter's rules cannot be loaded again: {why}");
        }
        let id_of_undo = id.clone();
        let end = End::Report {
            run: id,
            report,
            undone: None,
            cancelled_by: journal.cancelled_by(),
        };
        let end = recorded.end(end, journal);
        if let Err(why) = Orders::open(self.places())?.undone(run) {
            tracing::warn!("what was kept of run {run} stays: {why}");
        }
        // Nobody need wait for its confirmation any more.
        if let Some(waiting) = waited
            && waiting.claim()?
        {
            waiting.reverted(&id_of_undo)?;
        }
        drop(lock);
        Ok(end)
    }
}
