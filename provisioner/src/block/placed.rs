//! A block in its place in a config, with what all kinds have in common.

use std::time::Duration;

use crate::block::{Body, Decision, Holding, Orphan, lifeline, owned_tree, sudoer};
use crate::fault::Place;
use crate::host::{HostError, Key};
use crate::secret::Secret;
use crate::source::Need;
use crate::view::View;

pub use crate::config::{Late, OnError};

/// One block of a config.
pub struct Block {
    /// `kind:primary` unless the config names it.
    pub id: String,
    /// Where it stands among the config's blocks, from 0.
    pub index: usize,
    /// The word in its `[[...]]`.
    pub kind: &'static str,
    /// Where it stands.
    pub place: Place,
    /// A note of its writer.
    pub desc: Option<String>,
    /// Whether nothing of it may be shown: asked for, or because a secret went into a field.
    pub sensitive: bool,
    /// The handlers that run when it changes something, by their index among the config's blocks.
    pub notify: Vec<usize>,
    /// Whether a run that changes it must be confirmed, if the config says so.
    pub confirm: Option<bool>,
    /// What happens when it fails.
    pub failure: Failure,
    /// The names that its texts may use besides the config's: `each`.
    pub own: toml::Table,
    /// What it comes to on this host.
    pub part: Part,
}

/// What becomes of a block, and of the run, when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// How often it is tried again first.
    pub retries: u8,
    /// The time before each retry.
    pub delay: Duration,
    /// How long one try may take, if the config says so.
    pub timeout: Option<Duration>,
    /// Whether the blocks after it are run.
    pub on_error: OnError,
}

/// Why a block is left out that has none of the tags that were chosen.
pub const UNTAGGED: &str = "left out by --tags";

/// What a block comes to on a host.
pub enum Part {
    /// It is for this host.
    In(Box<Body>),
    /// It waits for what blocks before it come to.
    Late(Box<Late>),
    /// Its `when`, or the tags that were chosen, leave it out; why, in a few words.
    Out(String),
    /// It is none of the config's any more.
    Orphan(Box<Orphan>),
}

impl Block {
    fn body(&self) -> Option<&Body> {
        match &self.part {
            Part::In(body) => Some(body.as_ref()),
            Part::Late(late) => late.guess(),
            Part::Orphan(orphan) => orphan.removal(),
            Part::Out(_) => None,
        }
    }

    /// What is left of an earlier config, if it is that.
    pub fn orphan(&self) -> Option<&Orphan> {
        match &self.part {
            Part::Orphan(orphan) => Some(orphan),
            _ => None,
        }
    }

    /// See [`Kind::holdings`](crate::block::Kind::holdings).
    pub fn holdings(&self) -> Vec<Holding> {
        match &self.part {
            Part::Orphan(_) => Vec::new(),
            _ => self.body().map_or_else(Vec::new, Body::holdings),
        }
    }

    /// See [`Kind::reads`](crate::block::Kind::reads).
    pub fn reads(&self) -> Vec<Key> {
        self.body().map_or_else(Vec::new, Body::reads)
    }

    /// What it is about: the first of what it reads.
    pub fn about(&self) -> Option<Key> {
        self.reads().into_iter().next()
    }

    /// See [`Kind::needs`](crate::block::Kind::needs).
    pub fn needs(&self) -> Vec<Need> {
        self.body().map_or_else(Vec::new, Body::needs)
    }

    /// See [`Kind::secrets`](crate::block::Kind::secrets).
    pub fn secrets(&self) -> Vec<&Secret> {
        self.body().map_or_else(Vec::new, Body::secrets)
    }

    /// Whether it runs commands that the config gives. One that cannot be read before its results are
    /// known may do so.
    pub fn runs_commands(&self) -> bool {
        match self.body() {
            Some(Body::Exec(_)) => true,
            Some(Body::Handler(handler)) => handler.runs_commands(),
            Some(Body::File(file)) => file.runs_commands(),
            Some(Body::Check(check)) => check.runs_commands(),
            Some(_) => false,
            None => matches!(self.part, Part::Late(_)),
        }
    }

    /// Whether a run may do it again that does not know whether an earlier one has: it asks the host
    /// before it runs a command, or runs none but to take note of changes.
    pub(crate) fn may_run_again(&self) -> bool {
        match self.body() {
            Some(Body::Exec(exec)) => exec.is_guarded(),
            Some(_) => true,
            None => self.kind != "exec",
        }
    }

    /// How long the host may be away because of it, if it reboots.
    pub fn reboots(&self) -> Option<Duration> {
        match self.body() {
            Some(Body::Reboot(reboot)) => Some(reboot.max_wait()),
            _ => None,
        }
    }

    /// Whether it acts in each run, so that a run after it finds nothing in place: what it does then is
    /// no sign that the host has moved.
    pub fn is_never_in_place(&self) -> bool {
        match self.body() {
            Some(Body::Exec(exec)) => exec.runs_each_time(),
            Some(Body::Reboot(_) | Body::Check(_) | Body::Wait(_)) => true,
            _ => matches!(self.part, Part::Late(_)),
        }
    }

    /// Whether it is about what an operator reaches the host by.
    pub fn is_lifeline(&self) -> bool {
        self.kind == "firewall"
            || self.reads().iter().any(lifeline::is)
            || self.about().as_ref().is_some_and(lifeline::is_account)
    }

    /// See [`Kind::decide`](crate::block::Kind::decide).
    ///
    /// # Errors
    /// If the host cannot be read.
    pub fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let decision = match &self.part {
            Part::In(body) => body.decide(view),
            Part::Late(late) => late.decide(view),
            Part::Out(why) => Ok(Decision::Skip(why.clone())),
            Part::Orphan(orphan) => orphan.decide(view),
        };
        let decision = owned_tree::guard(decision?, self, view);
        Ok(sudoer::guard(decision, view))
    }
}
