//! A plan and a run, performed in this process: for a host that provisions itself, for the child
//! that `hpt serve` starts, and to find out that no child is needed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::Letter;
use hpt_proto::convert::to_secrets;
use hpt_proto::wire::{ApplyRequest, Interrupted, KeptOrder, Request, RunRequest};
use hpt_proto::{Begun, BlockName, Delivery, End, Running, Told};
use hpt_provisioner::block::Block;
use hpt_provisioner::config::Config;
use hpt_provisioner::config::scope::Opener;
use hpt_provisioner::effect::Command;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::live::{self, Kept, Live};
use hpt_provisioner::host::{HostError, Observe};
use hpt_provisioner::ledger::{By, Left};
use hpt_provisioner::plan::{Ask, Asker, Bound, Plan, Planned, Reveal, expect, plan};
use hpt_provisioner::secret::Secret;
use hpt_provisioner::undo::Change;
use hpt_transport::LocalKey;

use crate::Places;
use crate::audit::{Asked, Audit, Entry, Kind};
use crate::confirm::Confirmation;
use crate::due::{Due, Prepared, Start};
use crate::guard::Guardian;
use crate::journal::{Journals, Past, Standing, so_far};
use crate::ledger::{Books, Ledgers};
use crate::lock::{self, Lock, LockError};
use crate::orders::Orders;
use crate::recorded::{Recorded, config_hash};
use crate::state::{State, StateError};
use crate::systemd::starts_at_boot;

/// How long a run waits to be confirmed that may have cut the way to its host.
const WINDOW: Duration = Duration::from_mins(2);

/// Why a host could not be planned or provisioned at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// hpt has no place of its own on it.
    #[error(transparent)]
    State(#[from] StateError),
    /// The host cannot be opened.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its commands are not this client's to choose.
    #[error("{block} needs the grant exec, which this client does not have")]
    NoExec {
        /// The id of the first such block.
        block: String,
    },
    /// Nobody would undo it.
    #[error("nothing was done, for nobody can be made to undo it: {0}")]
    NoGuardian(io::Error),
    /// There is no journal of this run.
    #[error("there is no run {0}")]
    NoRun(String),
    /// What it goes on with is another one.
    #[error("run {0} cannot go on: since the reboot its config is about other blocks")]
    OtherBlocks(String),
    /// What its runs write down cannot be read or written.
    #[error("nothing was done, for the journal of runs cannot be used: {0}")]
    Journal(#[from] io::Error),
    /// What is owned on it cannot be read or written.
    #[error("nothing was done, for the ledger of what is owned cannot be used: {0}")]
    Ledger(io::Error),
    /// That a run begins cannot be recorded, so that it does not.
    #[error("nothing was done, for it cannot be recorded in the audit: {0}")]
    Audit(io::Error),
}

/// What is to be performed, and for whom.
pub struct Order {
    /// The config and its contents.
    pub delivery: Delivery,
    /// The plan that was agreed to, if one was.
    pub bound: Option<Bound>,
    /// What the lock will say.
    pub running: Running,
    /// Whether the config may run commands of its own.
    pub exec: bool,
    /// Blocks whose commands may run though it is in doubt whether they have already, by their ids.
    pub rerun: BTreeSet<String>,
    /// Who asked for it, as the audit knows them.
    pub asked: Asked,
    /// In what time it must be confirmed, and who undoes it if it is not: zero for never, and `None` for
    /// what its config says. Without it nobody could confirm it.
    pub confirm: Option<(Option<Duration>, Guardian)>,
}

/// A host, and what it remembers from one plan to the next. Clones share it.
#[derive(Clone)]
pub struct Site {
    places: Places,
    opener: Option<Opener>,
    /// The unit of `hpt serve`, if it goes on with runs after a reboot.
    serving: String,
    kept: Arc<Kept>,
}

impl Site {
    /// The host at these places.
    pub fn new(places: Places) -> Self {
        Self {
            places,
            opener: None,
            serving: String::new(),
            kept: Arc::default(),
        }
    }

    /// With the key that opens what is sealed for it; without one, whoever sends a config has opened
    /// what is in it.
    #[must_use]
    pub(crate) fn opening(self, key: LocalKey) -> Self {
        Self {
            opener: Some(Arc::new(move |name, text| open_letter(&key, name, text))),
            ..self
        }
    }

    /// With this unit of `hpt serve`, which goes on with runs after a reboot if it starts at boot.
    #[must_use]
    pub(crate) fn served_by(self, unit: &str) -> Self {
        let serving = if starts_at_boot(unit) { unit } else { "" };
        Self {
            serving: serving.to_owned(),
            ..self
        }
    }

    /// What is known of it.
    pub fn facts(&self) -> Facts {
        Facts::read(&self.places.root)
    }

    /// What an apply would do.
    ///
    /// # Errors
    /// If the host cannot be planned at all; faults of the config are a good answer.
    pub fn plan(
        &self,
        delivery: Delivery,
        reveal: Reveal,
    ) -> Result<Result<Plan, Vec<Fault>>, RunError> {
        let judged = self.judge(delivery, reveal)?;
        Ok(judged.map(|(_, plan)| plan))
    }

    /// The same with the config that is planned.
    pub(crate) fn judge(
        &self,
        delivery: Delivery,
        reveal: Reveal,
    ) -> Result<Result<(Config, Plan), Vec<Fault>>, RunError> {
        let (host, config) = self.open(delivery)?;
        let config = match config {
            Ok(mut config) => {
                self.adopt(&mut config, &host)?;
                Ok(config)
            }
            wrong => wrong,
        };
        let ask = |guard: &Command| host.ask(guard);
        // Who may see content may have commands run.
        let ask: Option<&Ask<'_>> = (reveal == Reveal::Content).then_some(&ask);
        let journals = Journals::open(&self.places)?;
        let planned = config.map(|config| {
            let mut plan = plan(&config, &host, Asker { reveal, ask });
            journals.name_anew(&mut plan)?;
            Ok((config, plan))
        });
        match planned {
            Ok(judged) => judged.map(Ok),
            Err(faults) => Ok(Err(faults)),
        }
    }

    /// The last run, if its process ended before it did.
    ///
    /// # Errors
    /// If the journals cannot be read.
    pub fn interrupted(&self) -> Result<Option<Interrupted>, RunError> {
        let journals = Journals::open(&self.places)?;
        let Some(open) = Standing::unfinished(&journals)? else {
            return Ok(None);
        };
        if lock::holder(&self.places)?.is_some() {
            return Ok(None);
        }
        // It may have ended since it was read, and another may have begun.
        let still = Standing::unfinished(&journals)?;
        let still = still.filter(|run| run.running() == open.running());
        let still = still.filter(|run| !run.is_awaited());
        Ok(still.map(|run| run.interrupted()))
    }

    /// Brings a config about, or says why nothing was done. All that is told is in the run's journal
    /// by then.
    ///
    /// # Errors
    /// If the host cannot be provisioned at all.
    pub fn execute(&self, order: Order, hear: &mut dyn FnMut(Told)) -> Result<End, RunError> {
        match self.prepare(order)? {
            Prepared::Over(end) => Ok(end),
            Prepared::Due(due) => due.perform(hear),
        }
    }

    /// Everything up to the first change.
    pub(crate) fn prepare(&self, order: Order) -> Result<Prepared, RunError> {
        let config_hash = config_hash(&order.delivery.request);
        let kept = keep(&order);
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
        let lock = match Lock::take(&self.places, &order.running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(Prepared::Over(End::Busy(holder))),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(&self.places)?;
        if let Some(broken) = Standing::unfinished(&journals)? {
            if broken.is_awaited() {
                return Ok(Prepared::Over(End::Busy(broken.running())));
            }
            if let Some(past) = Past::of(&journals, &broken.running().run)? {
                host.sweep(past.changes.iter().flat_map(Change::paths));
            }
        }
        let (mut books, left) = self.adopt(&mut config, &host)?;
        let asker = Asker {
            reveal: Reveal::Outline,
            ask: Some(&|guard| host.ask(guard)),
        };
        let (mut plan, expected) = expect(&config, &host, asker);
        journals.name_anew(&mut plan)?;
        if let Some(bound) = &order.bound {
            let planned = bound.digest;
            if let Some(run) = journals.user_of(planned)? {
                return Ok(Prepared::Over(End::Used { planned, run }));
            }
            if let Err(moved) = bound.compare(&plan) {
                return Ok(Prepared::Over(End::Moved(moved)));
            }
        }
        if !plan.missing.is_empty() {
            return Ok(Prepared::Over(End::Missing(plan.missing)));
        }
        if plan.is_empty() {
            // Whatever broke off before, all is in place; commands stay in doubt.
            journals.put_away(None)?;
            if config.prunes && books.mine.forget(&left) {
                let ledgers = Ledgers::of(&self.places, journals);
                ledgers.write(&books.mine).map_err(RunError::Ledger)?;
            }
            Orders::open(&self.places)?.note_in_place(&kept);
            let run = String::new();
            let report = plan.report();
            return Ok(Prepared::Over(End::Report { run, report }));
        }
        if let Some(holder) = undecided(&journals, None)? {
            return Ok(Prepared::Over(End::Busy(holder)));
        }
        let confirm = order.confirm.and_then(|(window, guardian)| {
            let window = window.or(config.confirm);
            let window = window.unwrap_or_else(|| self.window(&config, &plan));
            (!window.is_zero()).then_some((window, guardian))
        });
        let mut in_doubt = BTreeSet::new();
        if let Some(earlier) = Standing::last(&journals)? {
            in_doubt = &earlier.commands_in_doubt() - &order.rerun;
            let again =
                |planned: &&Planned| planned.verdict.is_pending() && in_doubt.contains(&planned.id);
            let blocks: Vec<_> = plan
                .blocks
                .iter()
                .filter(again)
                .map(|b| b.id.clone())
                .collect();
            if !blocks.is_empty() {
                let run = earlier.running();
                return Ok(Prepared::Over(End::InDoubt { run, blocks }));
            }
        }
        let by = By {
            run: order.running.run.clone(),
            client: order.running.by.clone(),
            key: order.asked.key.clone(),
            time: order.running.since,
        };
        let Books { mine, others } = &mut books;
        mine.begin(&config, &plan, &left, others, &by);
        let audit = Audit::open(&self.places)?;
        let away = config
            .blocks
            .iter()
            .zip(&plan.blocks)
            .filter(|(_, planned)| planned.verdict.is_pending())
            .filter_map(|(block, _)| block.reboots())
            .max();
        let began = Entry::of_run(Kind::RunBegan, &order.running, &order.asked)
            .with("config", config_hash.to_hex())
            .with("plan", blake3::Hash::from_bytes(plan.digest.0).to_hex());
        Ok(Prepared::Due(Box::new(Due {
            host,
            config,
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
                away: away.unwrap_or_default(),
            },
            order: kept,
            guardian: confirm.map(|(_, guardian)| guardian),
            in_doubt,
            journals,
            places: self.places.clone(),
            _lock: lock,
        })))
    }

    /// Adds to a config what has left it.
    fn adopt(&self, config: &mut Config, host: &Live) -> Result<(Books, Left), RunError> {
        let ledgers = Ledgers::of(&self.places, Journals::at(&self.places));
        let books = ledgers.books(config.name.as_str());
        let books = books.map_err(RunError::Ledger)?;
        let left = config.adopt(&books.mine, &books.others, host);
        Ok((books, left))
    }

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
        let lock = match Lock::take(&self.places, &order.running) {
            Ok(lock) => lock,
            Err(LockError::Busy(holder)) => return Ok(End::Busy(holder)),
            Err(LockError::State(error)) => return Err(error.into()),
        };
        let journals = Journals::open(&self.places)?;
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
        let ledgers = Ledgers::of(&self.places, journals.clone());
        let books = ledgers.books_of(&run, config.name.as_str());
        let (books, begun_with) = books.map_err(RunError::Ledger)?;
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
            recorded: Recorded::new(Audit::open(&self.places)?, entry, &order.asked),
            order: named(kept, &config),
            config,
            begun,
            guardian: guardian.map(|(_, guardian)| guardian),
            in_doubt: BTreeSet::new(), // its journal has them
            start: Start::Resumed(so_far),
            ledger: begun_with,
            journals,
            places: self.places.clone(),
            _lock: lock,
        };
        due.perform(hear)
    }

    /// How long a run waits to be confirmed of which nobody said so.
    fn window(&self, config: &Config, plan: &Plan) -> Duration {
        // A root that does not run cuts nobody off.
        let is_live = self.places.root == Path::new("/");
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

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn host(&self) -> Result<Live, RunError> {
        let state = State::open(&self.places)?;
        Ok(Live::open(live::Options {
            root: self.places.root.clone(),
            blobs: state.blobs(),
            memos: state.memos(),
            pre_images: state.pre_images(),
            fingerprint_key: state.fingerprint_key()?,
            reboots: !self.serving.is_empty(),
            kept: Arc::clone(&self.kept),
        })?)
    }

    fn open(&self, delivery: Delivery) -> Result<(Live, Result<Config, Vec<Fault>>), RunError> {
        let host = self.host()?.lend(delivery.contents);
        let config = delivery.request.parse(host.facts(), self.opener.clone());
        Ok((host, config))
    }
}

/// What is kept of an order: what was asked for, and by whom.
fn keep(order: &Order) -> KeptOrder {
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
fn named(mut kept: KeptOrder, config: &Config) -> KeptOrder {
    kept.config = config.name.to_string();
    let request = kept.order.as_mut().and_then(|order| order.apply.as_mut());
    if let Some(request) = request.and_then(|apply| apply.request.as_mut())
        && let Some(secrets) = &config.scope.secrets
    {
        request.secrets = to_secrets(secrets);
    }
    kept
}

/// The value of `[secret.NAME]` in a text that was sealed for this host.
fn open_letter(key: &LocalKey, name: &str, text: &str) -> Result<Secret, String> {
    let letter = Letter::parse(text).map_err(|bad| bad.to_string())?;
    let value = key.open(&letter, name).map_err(|shut| shut.to_string())?;
    let text = std::str::from_utf8(&value).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Secret::new(text.to_owned()))
}

/// A run that waits to be confirmed, or is being undone: it holds the host as one that goes on does.
/// `but` may go ahead.
pub(crate) fn undecided(journals: &Journals, but: Option<&str>) -> io::Result<Option<Running>> {
    let open = Confirmation::open(journals)?;
    let Some(open) = open.iter().find(|open| Some(open.run()) != but) else {
        return Ok(None);
    };
    let standing = Standing::read(journals, open.run())?;
    Ok(standing.map(|run| run.running()))
}

fn name_of(planned: Planned) -> BlockName {
    BlockName {
        id: planned.id,
        file: planned.file,
        line: planned.line,
    }
}
