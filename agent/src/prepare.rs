//! Everything of a run up to its first change: who holds the host, what is to be done, and whether it may be.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use hpt_proto::{Begun, BlockName, End, Running};
use hpt_provisioner::block::Block;
use hpt_provisioner::config::Config;
use hpt_provisioner::host::live::Live;
use hpt_provisioner::plan::{Asker, Bound, Plan, Planned, Reveal, expect};
use hpt_provisioner::undo::Change;

use crate::audit::{Audit, Entry, Kind};
use crate::confirm::Confirmation;
use crate::due::{Due, Prepared, Start};
use crate::journal::{Journals, Past, Standing};
use crate::kept::{keep, named};
use crate::ledger::{Books, Ledgers};
use crate::lock::{Lock, LockError};
use crate::orders::Orders;
use crate::recorded::{Recorded, config_hash};
use crate::run::{Order, RunError, Site};

/// How long a run waits to be confirmed that may have cut the way to its host.
pub(crate) const WINDOW: Duration = Duration::from_mins(2);

impl Site {
    /// A run that holds its host, or why there is none.
    pub(crate) fn prepare(&self, order: Order) -> Result<Prepared, RunError> {
        let config_hash = config_hash(&order.delivery.request);
        let (kept, mut by) = (keep(&order), order.by());
        let (host, config) = self.open(order.delivery)?;
        let mut config = match config {
            Ok(config) => config,
            Err(faults) => return Ok(Prepared::Over(End::Faults(faults))),
        };
        let command = config.blocks.iter().find(|block| block.runs_commands());
        if let Some(block) = command.filter(|_| !order.exec) {
            return Err(RunError::NoExec {
                block: block.id.clone(),
            });
        }
        let kept = named(kept, &config);
        let lock = match Lock::take(self.places(), &order.running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(Prepared::Over(End::Busy(holder))),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(self.places())?;
        sweep_unbegun(&journals)?;
        // Before anything is asked of the host that may take its time: whoever undoes a run waits for it.
        if let Some(holder) = undecided(&journals, None)? {
            return Ok(Prepared::Over(End::Busy(holder)));
        }
        if let Some(holder) = rebooting(&journals, &host)? {
            return Ok(Prepared::Over(End::Busy(holder)));
        }
        let ledgers = Ledgers::of(self.places(), journals.clone());
        ledgers.sweep().map_err(RunError::Ledger)?;
        let orders = Orders::open(self.places())?;
        orders.sweep()?;
        let (mut books, left) = self.adopt(&mut config, &host)?;
        let asker = Asker {
            reveal: Reveal::Outline,
            ask: Some(&|guard| host.ask(guard)),
        };
        let (mut plan, expected) = expect(&config, &host, asker);
        journals.name_anew(&mut plan)?;
        if let Some(end) = refused(order.bound.as_ref(), &plan, &journals)? {
            return Ok(Prepared::Over(end));
        }
        if plan.is_empty() {
            // Whatever broke off before, all is in place, but for commands in doubt.
            let broken = Standing::unfinished(&journals)?;
            if broken.is_none_or(|run| run.commands_in_doubt().is_empty()) {
                journals.put_away(None)?;
            }
            by.run.clear();
            let Books { mine, others } = &mut books;
            if mine.find_in_place(&config, &plan, &left, others, by) {
                ledgers.write(mine).map_err(RunError::Ledger)?;
            }
            orders.note_in_place(&kept);
            let end = End::report(String::new(), plan.report());
            return Ok(Prepared::Over(end));
        }
        let in_doubt = match in_doubt(&journals, &plan, &order.rerun)? {
            Ok(others) => others,
            Err(end) => return Ok(Prepared::Over(end)),
        };
        let confirm = order.confirm.and_then(|(window, guardian)| {
            let window = window.or(config.confirm);
            let window = window.unwrap_or_else(|| self.window(&config, &plan));
            (!window.is_zero()).then_some((window, guardian))
        });
        let Books { mine, others } = &mut books;
        mine.begin(&config, &plan, &left, others, &by);
        let audit = Audit::open(self.places())?;
        let away = away(&config, &plan);
        let began = Entry::of_run(Kind::RunBegan, &order.running, &order.asked)
            .with("config", config_hash.to_hex())
            .with("plan", blake3::Hash::from_bytes(plan.digest.0).to_hex());
        Ok(Prepared::Due(Box::new(Due {
            host,
            start: match order.bound {
                Some(bound) => Start::Bound(bound.digest, expected),
                None => Start::Anew,
            },
            ledger: books.mine,
            recorded: Recorded::new(audit, began, &order.asked),
            begun: Begun {
                running: order.running,
                blocks: plan.blocks.into_iter().map(name_of).collect(),
                confirm: confirm
                    .as_ref()
                    .map_or(Duration::ZERO, |(window, _)| *window),
                away,
                config: config.name.to_string(),
                undoes: String::new(),
            },
            order: kept,
            guardian: confirm.map(|(_, guardian)| guardian),
            config,
            in_doubt,
            journals,
            places: self.places().clone(),
            _lock: lock,
        })))
    }

    /// How long a run waits to be confirmed of which nobody said so.
    pub(crate) fn window(&self, config: &Config, plan: &Plan) -> Duration {
        // A root that does not run cuts nobody off.
        let is_live = self.places().root == Path::new("/");
        let waits = |block: &Block| {
            block
                .confirm
                .unwrap_or_else(|| is_live && block.is_lifeline())
        };
        let mut pending = config
            .blocks
            .iter()
            .zip(&plan.blocks)
            .filter(|(_, planned)| planned.verdict.is_pending());
        if pending.any(|(block, _)| waits(block)) {
            WINDOW
        } else {
            Duration::ZERO
        }
    }
}

/// Clears away what a run has left that broke off; the run whose reboot is awaited holds the host.
fn rebooting(journals: &Journals, host: &Live) -> io::Result<Option<Running>> {
    let Some(broken) = Standing::unfinished(journals)? else {
        return Ok(None);
    };
    if broken.is_awaited() {
        return Ok(Some(broken.running()));
    }
    if let Some(past) = Past::of(journals, &broken.running().run)? {
        host.sweep(past.changes.iter().flat_map(Change::paths));
    }
    Ok(None)
}

/// Why a plan is not applied: it is not the one that was agreed to, or lacks contents.
fn refused(bound: Option<&Bound>, plan: &Plan, journals: &Journals) -> io::Result<Option<End>> {
    if let Some(bound) = bound {
        let planned = bound.digest;
        if let Some(run) = journals.user_of(planned)? {
            return Ok(Some(End::Used { planned, run }));
        }
        if let Err(moved) = bound.compare(plan) {
            return Ok(Some(End::Moved(moved)));
        }
    }
    let missing = (!plan.missing.is_empty()).then(|| plan.missing.clone());
    Ok(missing.map(End::Missing))
}

/// The commands that stay in doubt since an earlier run; or the end of one that would run them again
/// though nobody said so.
fn in_doubt(
    journals: &Journals,
    plan: &Plan,
    rerun: &BTreeSet<String>,
) -> io::Result<Result<BTreeSet<String>, End>> {
    let Some(earlier) = Standing::last(journals)? else {
        return Ok(Ok(BTreeSet::new()));
    };
    let in_doubt = &earlier.commands_in_doubt() - rerun;
    let again = |planned: &&Planned| planned.verdict.is_pending() && in_doubt.contains(&planned.id);
    let again = plan.blocks.iter().filter(again);
    let blocks: Vec<_> = again.map(|planned| planned.id.clone()).collect();
    if blocks.is_empty() {
        return Ok(Ok(in_doubt));
    }
    let run = Standing::who_left(journals, &blocks)?.unwrap_or(earlier);
    let run = run.running();
    Ok(Err(End::InDoubt { run, blocks }))
}

/// A run that waits to be confirmed, or is being undone: it holds the host as one that goes on does.
/// `but` may go ahead.
pub(crate) fn undecided(journals: &Journals, but: Option<&str>) -> io::Result<Option<Running>> {
    let open = Confirmation::open(journals)?;
    let mut others = open.iter().filter(|open| Some(open.run()) != but);
    others
        .find_map(|open| Standing::running_of(journals, open.run()).transpose())
        .transpose()
}

/// Forgets runs that were armed and never began; for who holds the host, as nobody else is about to begin.
pub(crate) fn sweep_unbegun(journals: &Journals) -> io::Result<()> {
    for open in Confirmation::open(journals)? {
        if Standing::running_of(journals, open.run())?.is_none() {
            open.forget();
        }
    }
    Ok(())
}

pub(crate) fn name_of(planned: Planned) -> BlockName {
    BlockName {
        id: planned.id,
        file: planned.file,
        line: planned.line,
    }
}

/// How long the host may be away when a run reboots it; zero if it does not.
fn away(config: &Config, plan: &Plan) -> Duration {
    let blocks = config.blocks.iter().zip(&plan.blocks);
    let pending = blocks.filter(|(_, planned)| planned.verdict.is_pending());
    let away = pending.filter_map(|(block, _)| block.reboots()).max();
    away.unwrap_or_default()
}
