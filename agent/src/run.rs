//! A plan and a run, performed in this process: for a host that provisions itself, for the child
//! that `hpt serve` starts, and to find out that no child is needed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::Letter;
use hpt_proto::wire::{Confirming, Interrupted};
use hpt_proto::{Delivery, End, Running, Told};
use hpt_provisioner::config::Config;
use hpt_provisioner::config::scope::Opener;
use hpt_provisioner::effect::Command;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::live::{self, Kept, Live};
use hpt_provisioner::host::{HostError, Observe};
use hpt_provisioner::ledger::{By, Left};
use hpt_provisioner::plan::{Ask, Asker, Bound, Plan, Reveal, plan};
use hpt_provisioner::secret::Secret;
use hpt_transport::LocalKeys;

use crate::Places;
use crate::audit::Asked;
use crate::confirm::Confirmation;
use crate::due::Prepared;
use crate::guard::Guardian;
use crate::journal::{Journals, Standing, cancel_path};
use crate::ledger::{Books, Ledgers};
use crate::lock;
use crate::state::{State, StateError};
use crate::systemd::starts_at_boot;

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
    /// The program that runs cannot be looked at.
    #[error("nothing was done, for hpt itself cannot be looked at: {0}")]
    Program(io::Error),
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

impl Order {
    /// The run and who asked for it, as the ledger names them.
    pub(crate) fn by(&self) -> By {
        By {
            run: self.running.run.clone(),
            client: self.running.by.clone(),
            key: self.asked.key.clone(),
            time: self.running.since,
        }
    }
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

    /// With the keys that open what is sealed for it; without one, whoever sends a config has opened
    /// what is in it.
    #[must_use]
    pub(crate) fn opening(self, keys: LocalKeys) -> Self {
        Self {
            opener: Some(Arc::new(move |name, text| open_letter(&keys, name, text))),
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

    /// The run that is not decided yet, if there is one: it is undone unless it is confirmed.
    ///
    /// # Errors
    /// If the journals cannot be read.
    pub fn confirming(&self) -> Result<Option<Confirming>, RunError> {
        let journals = Journals::open(&self.places)?;
        for of in &Confirmation::open(&journals)? {
            let standing = Standing::read(&journals, of.run())?;
            if let Some(words) = standing.and_then(|run| of.words(run.running())) {
                return Ok(Some(words));
            }
        }
        Ok(None)
    }

    /// Has a run stop before its next block, for this client.
    ///
    /// # Errors
    /// If that cannot be left for it to find.
    pub fn stop(&self, run: &str, by: &str) -> io::Result<()> {
        let path = cancel_path(&self.places.run, run);
        // The run reads who it was as soon as it is there.
        let whole = path.with_extension("tmp");
        fs::write(&whole, by)?;
        fs::rename(&whole, &path)
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

    /// Adds to a config what has left it.
    pub(crate) fn adopt(
        &self,
        config: &mut Config,
        host: &Live,
    ) -> Result<(Books, Left), RunError> {
        let ledgers = Ledgers::of(&self.places, Journals::at(&self.places));
        let books = ledgers.books(config.name.as_str());
        let books = books.map_err(RunError::Ledger)?;
        let left = config.adopt(&books.mine, &books.others, host);
        Ok((books, left))
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

    pub(crate) fn open(
        &self,
        delivery: Delivery,
    ) -> Result<(Live, Result<Config, Vec<Fault>>), RunError> {
        let host = self.host()?.lend(delivery.contents);
        let config = delivery.request.parse(host.facts(), self.opener.clone());
        Ok((host, config))
    }
}

/// The value of `[secret.NAME]` in a text that was sealed for this host.
fn open_letter(keys: &LocalKeys, name: &str, text: &str) -> Result<Secret, String> {
    let letter = Letter::parse(text).map_err(|bad| bad.to_string())?;
    let value = keys.open(&letter, name).map_err(|shut| shut.to_string())?;
    let text = std::str::from_utf8(&value).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Secret::new(text.to_owned()))
}
