//! Undoing a run on this host: what it would come to, and the run that does it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hpt_proto::wire::{Header, PlanUndoReply, Undoing};
use hpt_proto::{Begun, End, Running, Told, Undone};
use hpt_provisioner::report::{Outcome, Report};
use hpt_provisioner::undo::{Change, Fate, foresee, undo};

use crate::audit::{Asked, Audit, Entry, Kind};
use crate::confirm::{self, Confirmation, Stage, Trouble, note_end};
use crate::guard::Guardian;
use crate::journal::{Journal, Journals, Past, Standing, cancel_path};
use crate::ledger::Ledgers;
use crate::lock::{Lock, LockError};
use crate::orders::Orders;
use crate::prepare::{WINDOW, sweep_unbegun, undecided};
use crate::recorded::Recorded;
use crate::run::{RunError, Site};

/// What an undo has come to.
struct PutBack {
    end: End,
    /// How the run was undone; or why it is not wholly yet, where another try may come further.
    how: Result<Undone, Trouble>,
}

/// What a try has come to to undo a run whose time has passed.
pub(crate) enum Reverted {
    /// Somebody else has undone it, or has given it up.
    Already,
    /// Somebody else holds the host.
    Busy(Running),
    /// An undo has gone to its end.
    Tried(Result<Undone, Trouble>),
}

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
        let blocks = past.blocks.into_iter().zip(fates).map(|(block, fate)| {
            let gone = fate == Fate::Gone;
            let (runs, what, stays) = match fate {
                Fate::Reverts { runs, what } => (runs, what, Vec::new()),
                Fate::Stays { why, what } => (false, what, why),
                Fate::Gone => (false, Vec::new(), Vec::new()),
            };
            Undoing {
                id: block.id,
                gone,
                runs,
                what,
                stays,
            }
        });
        Ok(Some(PlanUndoReply {
            blocks: blocks.collect(),
            run: Some(past.begun.running.into()),
        }))
    }

    /// Puts back what a run replaced, as a run of its own. If that may cut the way to the host, and
    /// there is a guardian, it must be confirmed as an apply must; but not if it puts back what was not
    /// confirmed itself.
    ///
    /// # Errors
    /// If the host cannot be opened, or there is no such run.
    pub fn undo(
        &self,
        run: &str,
        running: Running,
        asked: &Asked,
        guardian: Option<Guardian>,
        hear: &mut dyn FnMut(Told),
    ) -> Result<End, RunError> {
        let (lock, journals) = match self.hold(Some(run), &running)? {
            Ok(held) => held,
            Err(holder) => return Ok(End::Busy(holder)),
        };
        let past = Past::of(&journals, run)?.ok_or_else(|| RunError::NoRun(run.to_owned()))?;
        // Nobody confirms a run that is undone in parts: its guardian does what is left of that.
        let waiting = Confirmation::of(&journals, run);
        let waiting = match waiting {
            Some(waiting) if waiting.claim()? => Some(waiting),
            _ => None,
        };
        let is_live = self.places().root == Path::new("/");
        let cuts = || past.changes.iter().any(Change::is_lifeline);
        let guardian = guardian.filter(|_| waiting.is_none() && is_live && cuts());
        let undone = self.put_back(&journals, &past, running, asked, guardian.as_ref(), hear)?;
        if let Some(waiting) = waiting {
            match &undone.how {
                Ok(how) => waiting.reverted(how)?,
                Err(trouble) => {
                    tracing::warn!("run {run} is not wholly undone: {}", trouble.why);
                    waiting.note_trouble(trouble);
                }
            }
        }
        drop(lock);
        Ok(undone.end)
    }

    /// The same for a run whose time has passed: the host lets nobody else begin until it is noted how
    /// the run was undone, which is left to the caller.
    pub(crate) fn revert(
        &self,
        waiting: &Confirmation,
        running: Running,
    ) -> Result<Reverted, RunError> {
        let run = waiting.run();
        let (_lock, journals) = match self.hold(Some(run), &running)? {
            Ok(held) => held,
            Err(holder) => return Ok(Reverted::Busy(holder)),
        };
        if waiting.stage() != Some(Stage::Reverting) {
            return Ok(Reverted::Already);
        }
        let past = Past::of(&journals, run)?.ok_or_else(|| RunError::NoRun(run.to_owned()))?;
        let asked = Asked::default();
        let undone = self.put_back(&journals, &past, running, &asked, None, &mut |_| {})?;
        Ok(Reverted::Tried(undone.how))
    }

    /// Leaves a run as far as its undo has come, on behalf of `running`. Nothing if no undo of it has
    /// failed; or who holds the host.
    pub(crate) fn give_up(
        &self,
        run: &str,
        running: &Running,
    ) -> Result<Result<Option<Undone>, Running>, RunError> {
        let (_lock, journals) = match self.hold(Some(run), running)? {
            Ok(held) => held,
            Err(holder) => return Ok(Err(holder)),
        };
        let waiting = Confirmation::of(&journals, run);
        let given_up = waiting.map_or(Ok(None), |waiting| waiting.give_up())?;
        Ok(Ok(given_up))
    }

    /// The host, perhaps for an undo of this run; or who holds it.
    pub(crate) fn hold(
        &self,
        undone: Option<&str>,
        running: &Running,
    ) -> Result<Result<(Lock, Journals), Running>, RunError> {
        let lock = match Lock::take(self.places(), running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(Err(holder)),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(self.places())?;
        sweep_unbegun(&journals)?;
        if let Some(holder) = undecided(&journals, undone)? {
            return Ok(Err(holder));
        }
        if let Some(open) = Standing::unfinished(&journals)?.filter(Standing::is_awaited) {
            return Ok(Err(open.running()));
        }
        Ok(Ok((lock, journals)))
    }

    /// Puts back what a run replaced, for who holds the host.
    fn put_back(
        &self,
        journals: &Journals,
        past: &Past,
        running: Running,
        asked: &Asked,
        guardian: Option<&Guardian>,
        hear: &mut dyn FnMut(Told),
    ) -> Result<PutBack, RunError> {
        let run = past.begun.running.run.clone();
        let run = run.as_str();
        let in_doubt = match Standing::last(journals)? {
            Some(last) => last.commands_in_doubt(),
            None => BTreeSet::new(),
        };
        let mut host = self.host()?;
        host.spare(past.changes.iter().flat_map(Change::contents));
        let cancel = cancel_path(&self.places().run, &running.run);
        let id = running.run.clone();
        let entry = Entry::of_run(Kind::UndoBegan, &running, asked).with("undoes", run);
        let recorded = Recorded::new(Audit::open(self.places())?, entry, asked);
        recorded.begin(journals)?;
        let ledgers = Ledgers::of(self.places(), journals.clone());
        let owned = ledgers.begin_undo(past, &id);
        let owned = owned.map_err(|why| RunError::Ledger(recorded.failed(why)))?;
        let begun = Begun {
            running,
            blocks: past.blocks.clone(),
            confirm: guardian.map_or(Duration::ZERO, |_| WINDOW),
            away: Duration::ZERO,
            config: String::new(),
            undoes: run.to_owned(),
        };
        if let Some(guardian) = guardian {
            let armed = guardian.arm(self.places(), &id, WINDOW);
            armed.map_err(|why| recorded.failed(why))?;
        }
        let of = Header {
            in_doubt: in_doubt.into_iter().collect(),
            key: recorded.key().to_owned(),
            ..Header::default()
        };
        let journal = Journal::begin(journals, begun, of, cancel, hear);
        let mut journal = journal.map_err(|why| recorded.failed(why))?;
        let report = undo(&past.changes, &mut host, &mut journal);
        let rested = confirm::now();
        ledgers.end_undo(past, &report, owned);
        let waiting = Confirmation::of(journals, run).filter(Confirmation::is_open);
        let rules = waiting.map_or(Ok(()), |waiting| waiting.restore_ruleset());
        let how = how(past, &report, &id).and_then(|how| match rules {
            Ok(()) => Ok(how),
            Err(why) => Err(Trouble {
                why: format!("the packet filter's rules cannot be loaded again: {why}"),
                so_far: how,
            }),
        });
        let end = recorded.end(report, journal);
        if let Err(why) = Orders::open(self.places())?.undone(run) {
            tracing::warn!("what was kept of run {run} stays: {why}");
        }
        if guardian.is_some() {
            note_end(journals, &id, rested);
        }
        Ok(PutBack { end, how })
    }
}

/// How an undo by this run has ended: what nothing can put back is no trouble.
fn how(past: &Past, report: &Report, by: &str) -> Result<Undone, Trouble> {
    let of = |outcome: Outcome| {
        let blocks = report.blocks.iter().filter(move |of| of.outcome == outcome);
        blocks.filter_map(|of| Some((past.blocks.get(of.block)?, &of.note)))
    };
    let failed = of(Outcome::Failed).map(|(block, why)| format!("{}: {why}", block.id));
    let not_run =
        of(Outcome::NotRun).map(|(block, _)| format!("it was stopped before {}", block.id));
    let why = failed.chain(not_run).next();
    let stays = [Outcome::Failed, Outcome::NotRun, Outcome::Skipped];
    let stays = stays.into_iter().flat_map(of);
    let so_far = Undone {
        by: by.to_owned(),
        stays: stays.map(|(block, _)| block.id.clone()).collect(),
    };
    match why {
        None => Ok(so_far),
        Some(why) => Err(Trouble { why, so_far }),
    }
}
