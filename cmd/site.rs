//! Where a config is brought about: a target over the channel, or this machine.

use std::time::Duration;

use hpt_agent::drift::Drift;
use hpt_proto::wire::{Interrupted, PlanUndoReply, WhyReply};
use hpt_proto::{Delivery, End};
use hpt_provisioner::config::File;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::Hash;
use hpt_provisioner::plan::{Bound, Plan};
use hpt_provisioner::request::Request;

use crate::config::Checked;
use crate::context::Context;
use crate::error::CommandError;
use crate::hearing::Heard;
use crate::local::Local;
use crate::remote::Remote;
use crate::secrets::Secrets;
use crate::sources::Sources;
use crate::terminal::Terminal;

/// A host that can be planned and provisioned.
pub(crate) enum Site {
    Local(Box<Local>),
    Remote(Box<Remote>),
}

/// A config with everything that a host needs of it.
pub(crate) struct Job {
    pub(crate) files: Vec<File>,
    pub(crate) sources: Sources,
    /// What works in the files, but should be written otherwise.
    pub(crate) warnings: Vec<Fault>,
    /// How long is waited for a host that another run holds, if the config says so.
    pub(crate) lock_wait: Option<Duration>,
    delivery: Delivery,
}

/// How a config is to be brought about.
pub(crate) struct How {
    /// The plan that was agreed to, if one was.
    pub(crate) bound: Option<Bound>,
    /// Ids of blocks whose commands may run though it is in doubt whether they have.
    pub(crate) rerun: Vec<String>,
    /// How long is waited for a host that another run holds; `None` for what its config says.
    pub(crate) wait: Option<Duration>,
    /// In what time the run must be confirmed: zero for never, `None` for what its config says.
    pub(crate) confirm: Option<Duration>,
}

/// What a host answers to a plan's request.
pub(crate) type Planned = Result<Plan, Vec<Fault>>;

impl Job {
    /// Reads secrets and resolves sources; nothing but them is contacted.
    pub(crate) fn new(config: Checked, context: &mut Context) -> Result<Self, CommandError> {
        let secrets = Secrets::read(&config, context)?;
        let sources = Sources::resolve(&config, &secrets, &context.fetched, &mut context.terminal)?;
        let target = context
            .global
            .target
            .as_ref()
            .map_or(String::new(), ToString::to_string);
        let request = Request {
            target,
            files: config.files.clone(),
            sources: sources.blobs.clone(),
            given: config.given.clone(),
            secrets: secrets.for_target(),
        };
        let contents = sources.lend()?;
        Ok(Self {
            files: config.files,
            sources,
            warnings: config.outline.warnings,
            lock_wait: config.outline.lock_wait,
            delivery: Delivery { request, contents },
        })
    }

    /// What a host finds wrong with the config; its warnings were shown before it was asked.
    pub(crate) fn refused(&self, mut faults: Vec<Fault>) -> CommandError {
        faults.retain(|fault| fault.is_error() || !self.warnings.contains(fault));
        CommandError::faults(self.files.clone(), faults)
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}

impl Site {
    /// Does this with the host that the command line names: keys are read and the target is dialled.
    pub(crate) async fn with<T>(
        context: &mut Context,
        act: impl AsyncFnOnce(&mut Self, &mut Context) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut site = match context.global.target.clone() {
            Some(name) => Self::Remote(Box::new(Remote::connect(&name, context).await?)),
            None => Self::Local(Box::new(Local::open(context)?)),
        };
        let done = act(&mut site, context).await;
        site.heed(&mut context.terminal).await;
        done
    }

    /// Warns, once, if the host's audit is not what it was.
    pub(crate) async fn heed(&mut self, terminal: &mut Terminal) {
        match self {
            Self::Local(_) => {}
            Self::Remote(remote) => remote.heed(terminal).await,
        }
    }

    /// What the host is called in words.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Local(local) => local.name(),
            Self::Remote(remote) => remote.name(),
        }
    }

    /// Where and what it is, as far as that can be found out at little cost.
    pub(crate) async fn about(&mut self) -> Vec<String> {
        match self {
            Self::Local(local) => local.about(),
            Self::Remote(remote) => remote.about().await,
        }
    }

    /// What an apply would do.
    pub(crate) async fn plan(&mut self, job: &Job) -> Result<Planned, CommandError> {
        match self {
            Self::Local(local) => local.plan(job),
            Self::Remote(remote) => remote.plan(job).await,
        }
    }

    /// The last run, if it broke off, as it was when the plan was made.
    pub(crate) fn interrupted(&self) -> Option<Interrupted> {
        match self {
            Self::Local(local) => local.interrupted(),
            Self::Remote(remote) => remote.interrupted.clone(),
        }
    }

    /// Whether all is in place, and the host does not know yet that this was asked for.
    pub(crate) fn is_unkept(&self) -> bool {
        match self {
            Self::Local(local) => local.is_unkept(),
            Self::Remote(remote) => remote.unkept,
        }
    }

    /// In what time a run that brings the plan about must be confirmed, of which nobody says so; zero if
    /// it need not be.
    pub(crate) fn window(&self) -> Duration {
        match self {
            Self::Local(_) => Duration::ZERO, // there is no session to confirm it over
            Self::Remote(remote) => remote.window,
        }
    }

    /// Hands over blobs that the host lacks.
    pub(crate) async fn send(
        &mut self,
        missing: &[Hash],
        job: &Job,
        terminal: &mut Terminal,
    ) -> Result<(), CommandError> {
        match self {
            Self::Local(local) => local.keep(missing, job),
            Self::Remote(remote) => remote.send(missing, job, terminal).await,
        }
    }

    /// What hpt has to do with a thing of the host.
    pub(crate) async fn why(&mut self, what: &str) -> Result<WhyReply, CommandError> {
        match self {
            Self::Local(local) => local.why(what),
            Self::Remote(remote) => remote.why(what).await,
        }
    }

    /// What has moved since a config was applied, or any.
    pub(crate) async fn drift(&mut self, config: &str) -> Result<Vec<Drift>, CommandError> {
        match self {
            Self::Local(local) => local.drift(config),
            Self::Remote(remote) => remote.drift(config).await,
        }
    }

    /// What an undo of a run would do.
    pub(crate) async fn plan_undo(&mut self, run: &str) -> Result<PlanUndoReply, CommandError> {
        match self {
            Self::Local(local) => local.plan_undo(run),
            Self::Remote(remote) => remote.plan_undo(run).await,
        }
    }

    /// Waits until no run holds the host, but no longer than this.
    pub(crate) async fn until_free(&mut self, time: Duration) -> Result<(), CommandError> {
        match self {
            Self::Local(local) => local.until_free(time).await,
            Self::Remote(remote) => remote.until_free(time).await,
        }
    }

    /// Undoes a run; `hear` is told what happens.
    pub(crate) async fn undo(
        &mut self,
        run: &str,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        match self {
            Self::Local(local) => local.undo(run, hear),
            Self::Remote(remote) => remote.undo(run, hear).await,
        }
    }

    /// Brings the config about; `hear` is told what happens.
    pub(crate) async fn apply(
        &mut self,
        job: &Job,
        how: &How,
        blocks: usize,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        match self {
            Self::Local(local) => local.apply(job, how, hear),
            Self::Remote(remote) => remote.apply(job, how, blocks, hear).await,
        }
    }
}
