//! A run whose host was rebooted in its midst, taken up again when hpt serves again.

use std::collections::BTreeSet;
use std::io;

use hpt_proto::wire::RunRequest;
use hpt_proto::{End, Told};

use crate::Places;
use crate::audit::{Asked, Audit, Entry, Kind};
use crate::confirm::boot;
use crate::due::{Due, Start};
use crate::journal::{Journals, Standing, so_far};
use crate::kept::{keep, named};
use crate::ledger::Ledgers;
use crate::lock::{Lock, LockError};
use crate::orders::{Orders, Whose};
use crate::recorded::Recorded;
use crate::run::{Order, RunError, Site};
use crate::runner::Runner;
use crate::systemd::own_unit;

/// Starts the process of a run that has rebooted its host, if one has and the host is back. It holds the
/// host when this returns. `now` is in unix seconds.
pub(crate) async fn resume(places: &Places, runner: &Runner, now: u64) {
    match order(places, runner, now) {
        Ok(None) => {}
        Ok(Some((run, order))) => match runner.start(order, &run).await {
            Ok(_) => tracing::info!("run {run} goes on after the reboot"),
            Err(why) => tracing::error!("run {run} cannot go on after the reboot: {why}"),
        },
        Err(why) => tracing::error!("a run cannot go on after the reboot: {why}"),
    }
}

/// The run that is to go on, and what its process has to know.
fn order(places: &Places, runner: &Runner, now: u64) -> io::Result<Option<(String, RunRequest)>> {
    let journals = Journals::open(places).map_err(io::Error::other)?;
    let Some(open) = Standing::unfinished(&journals)? else {
        return Ok(None);
    };
    let is_back = match open.ends_boot() {
        Some(ended) => ended != boot()?,
        None => false,
    };
    if !is_back {
        return Ok(None);
    }
    let run = open.running().run;
    let orders = Orders::open(places).map_err(io::Error::other)?;
    let kept = orders.read(Whose::Run(&run))?;
    let kept = kept.and_then(|kept| kept.order);
    let kept = kept.ok_or_else(|| io::Error::other(format!("nothing is kept of run {run}")))?;
    let order = RunRequest {
        apply: kept.apply,
        exec: kept.exec,
        key: kept.key,
        grants: kept.grants,
        unit: matches!(runner, Runner::Unit { .. }),
        serving: own_unit(),
        resumed: now.max(1),
        ..places.order(&open.running(), &Asked::default())
    };
    Ok(Some((run, order)))
}

impl Site {
    /// Goes on with a run whose host was rebooted in its midst, at a time in unix seconds.
    ///
    /// # Errors
    /// If there is no such run, or it is about other blocks by now.
    pub(crate) fn resume(
        &self,
        order: Order,
        at: u64,
        hear: &mut dyn FnMut(Told),
    ) -> Result<End, RunError> {
        let run = order.running.run.clone();
        let kept = keep(&order);
        let lock = match Lock::take(self.places(), &order.running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(End::Busy(holder)),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(self.places())?;
        let open = Standing::unfinished(&journals)?;
        let is_due = |open: Standing| open.running().run == run && open.ends_boot().is_some();
        if !open.is_some_and(is_due) {
            return Err(RunError::NoRun(run));
        }
        let (begun, so_far) = so_far(&journals, &run)?.ok_or(RunError::NoRun(run.clone()))?;
        let (host, config) = self.open(order.delivery)?;
        let mut config = match config {
            Ok(config) => config,
            Err(faults) => return Ok(End::Faults(faults)),
        };
        let ledgers = Ledgers::of(self.places(), journals.clone());
        let books = ledgers.books_of(&run, config.name.as_str());
        let (books, ledger) = books.map_err(RunError::Ledger)?;
        config.adopt(&books.mine, &books.others, &host);
        let ids = config.blocks.iter().map(|block| &block.id);
        if !ids.eq(begun.blocks.iter().map(|block| &block.id)) {
            return Err(RunError::OtherBlocks(run));
        }
        let entry = Entry {
            time: at,
            ..Entry::of_run(Kind::RunResumed, &order.running, &order.asked)
        };
        let guardian = order.confirm.filter(|_| !begun.confirm.is_zero());
        let due = Due {
            host,
            recorded: Recorded::new(Audit::open(self.places())?, entry, &order.asked),
            order: named(kept, &config),
            config,
            begun,
            guardian: guardian.map(|(_, guardian)| guardian),
            in_doubt: BTreeSet::new(), // its journal has them
            start: Start::Resumed(so_far),
            ledger,
            journals,
            places: self.places().clone(),
            _lock: lock,
        };
        due.perform(hear)
    }
}
