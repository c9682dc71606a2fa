//! A target over the channel: asked, and told.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_agent::drift::Drift;
use hpt_keystore::{Address, Identity, TargetName};
use hpt_proto::BadMessage;
use hpt_proto::convert::plan_reply;
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{
    self, AwaitFreeRequest, DriftRequest, FactsRequest, HealthRequest, Interrupted, PlanRequest,
    StatusReply, StatusRequest, WhyReply, WhyRequest,
};
use hpt_provisioner::host::Hash;
use hpt_provisioner::plan::Plan;
use hpt_transport::{Dialer, grpc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::address::HostPort;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::link::{is_away, is_shut, unreachable, was_cut};
use crate::print::plural;
use crate::remote_audit::{Alarm, Watch};
use crate::site::{Job, Planned};
use crate::terminal::{Terminal, visible};
use crate::upload;

/// From one try to find a host that is waited for to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// A target that has proved to hold the pinned key.
pub(crate) struct Remote {
    pub(crate) name: TargetName,
    /// Where it is pinned.
    pub(crate) keystore: PathBuf,
    /// The keys that it is pinned with, and the address that the keystore has for it.
    pub(crate) identity: Identity,
    pub(crate) kept_address: Option<Address>,
    pub(crate) address: HostPort,
    pub(crate) dialer: Dialer,
    pub(crate) client: TargetClient<Channel>,
    /// The last run there, if it broke off, as the plan told.
    pub(crate) interrupted: Option<Interrupted>,
    /// Whether all is in place there, and it does not know yet that this was asked for.
    pub(crate) unkept: bool,
    /// In what time a run that brings the plan about must be confirmed, as the plan told; zero if it
    /// need not be.
    pub(crate) window: Duration,
    /// Its audit, and what was seen of it before.
    pub(crate) audit: Watch,
    /// The look at its audit, until somebody has heeded what it found.
    pub(crate) look: Option<JoinHandle<Result<Option<wire::Renewal>, Alarm>>>,
    /// Why it is not done with this client's new keys yet, if it is not.
    pub(crate) behind: Option<CommandError>,
}

impl Remote {
    /// Does this with a target. Its audit is held meanwhile against what was seen of it before.
    pub(crate) async fn with<T>(
        name: &TargetName,
        context: &mut Context,
        act: impl AsyncFnOnce(&mut Self, &mut Context) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut remote = Self::connect(name, context).await?;
        if let Some(why) = &remote.behind {
            let why = why.words();
            context.terminal.note(format_args!(
                "{name} does not know this client's new keys alone yet: {why}"
            ));
        }
        let done = act(&mut remote, context).await;
        remote.heed(&mut context.terminal).await;
        done
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Address and system. A target that may not be asked for its status is described by the first.
    pub(crate) async fn about(&mut self) -> Vec<String> {
        let system = match self.client.status(StatusRequest {}).await {
            Ok(reply) => reply.into_inner().system,
            Err(_) => String::new(),
        };
        [self.address.to_string(), system]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect()
    }

    pub(crate) async fn status(&mut self) -> Result<StatusReply, CommandError> {
        tracing::debug!("asking {} for its status", self.name);
        let reply = self.client.status(StatusRequest {}).await;
        Ok(reply.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Whether it serves and no run holds it.
    pub(crate) async fn is_ready(&mut self) -> Result<bool, CommandError> {
        let reply = self.client.health(HealthRequest {}).await;
        Ok(reply
            .map_err(|status| self.refused(&status))?
            .into_inner()
            .ready)
    }

    /// Waits until no run holds the target, but no longer than this. hpt may be started anew there in
    /// between, as it is after each undo that nobody asked for.
    pub(crate) async fn until_free(&mut self, time: Duration) -> Result<(), CommandError> {
        let began = Instant::now();
        loop {
            let left = time.saturating_sub(began.elapsed());
            let seconds = u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX);
            let Err(status) = self.client.await_free(AwaitFreeRequest { seconds }).await else {
                return Ok(());
            };
            let is_shut_out = grpc::dial_error(&status).is_some_and(is_shut);
            if !(is_away(&status) || is_shut_out) || left.is_zero() {
                return Err(self.refused(&status));
            }
            tracing::debug!("{} is not there just now: {status}", self.name);
            sleep(PAUSE).await;
            match self.reconnect().await {
                Err(error) if is_shut(&error) => return Err(unreachable(&self.name, &error)),
                _ => {} // the next call says what it is
            }
        }
    }

    /// One JSON object.
    pub(crate) async fn facts_json(&mut self) -> Result<String, CommandError> {
        tracing::debug!("asking {} for its facts", self.name);
        let reply = self.client.facts(FactsRequest {}).await;
        Ok(reply
            .map_err(|status| self.refused(&status))?
            .into_inner()
            .json)
    }

    pub(crate) async fn plan(&mut self, job: &Job) -> Result<Planned, CommandError> {
        let request = PlanRequest {
            request: Some(job.delivery().into()),
            reveal: true,
        };
        tracing::debug!("asking {} for its plan", self.name);
        let reply = self
            .client
            .plan(request)
            .await
            .map_err(|status| self.refused(&status))?;
        let mut reply = reply.into_inner();
        self.interrupted = reply.interrupted.take();
        self.unkept = reply.unkept;
        self.window = Duration::from_secs(reply.confirm.into());
        plan_reply(reply, &job.files).map_err(|bad| self.bad(bad))
    }

    /// What has moved since a config was applied, or any.
    pub(crate) async fn drift(&mut self, config: &str) -> Result<Vec<Drift>, CommandError> {
        let request = DriftRequest {
            config: config.to_owned(),
            reveal: true,
        };
        tracing::debug!("asking {} what has moved", self.name);
        let reply = self.client.drift(request).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let drift = |drift: wire::Drift| {
            let found = match drift.plan {
                Some(plan) => Ok(Plan::try_from(plan)?),
                None => Err(drift.unknown),
            };
            Ok(Drift {
                config: drift.config,
                applied: drift.applied.unwrap_or_default().into(),
                found,
            })
        };
        let drifts: Result<_, BadMessage> = reply.drifts.into_iter().map(drift).collect();
        drifts.map_err(|bad| self.bad(bad))
    }

    pub(crate) async fn send(
        &mut self,
        missing: &[Hash],
        job: &Job,
        terminal: &mut Terminal,
    ) -> Result<(), CommandError> {
        tracing::debug!("sending {} to {}", plural(missing.len(), "blob"), self.name);
        match upload::send(&self.client, missing, &job.sources, terminal).await {
            Ok(()) => Ok(()),
            Err(upload::Failure::Source(error)) => Err(error),
            Err(upload::Failure::Refused(status)) => Err(self.refused(&status)),
        }
    }

    /// What hpt has to do with a thing there.
    pub(crate) async fn why(&mut self, what: &str) -> Result<WhyReply, CommandError> {
        let request = WhyRequest {
            what: what.to_owned(),
            reveal: true,
        };
        let reply = self.client.why(request).await;
        Ok(reply.map_err(|status| self.refused(&status))?.into_inner())
    }

    pub(crate) fn bad(&self, bad: BadMessage) -> CommandError {
        let error = CommandError::new(Exit::Failed, format!("{}: {bad}", self.name));
        error.hint("is the hpt there of another version?")
    }

    /// What a failed call means. The words of a target are shown as such.
    pub(crate) fn refused(&self, status: &Status) -> CommandError {
        if let Some(error) = grpc::dial_error(status) {
            return unreachable(&self.name, error);
        }
        let words = visible(status.message()).into_owned();
        let exit = match status.code() {
            Code::PermissionDenied | Code::Unauthenticated => Exit::NotAllowed,
            _ if was_cut(status) => {
                let what = format!("{}: the session was lost", self.name);
                return CommandError::new(Exit::Unreachable, what);
            }
            _ => Exit::Failed,
        };
        let error = CommandError::new(exit, format!("{} says: {words}", self.name));
        match exit {
            Exit::NotAllowed => error.hint(format!(
                "its keystore decides; who may do everything there gives more with `hpt --target {} authorize`",
                self.name
            )),
            _ => error,
        }
    }
}
