//! A target over the channel: dialled, asked, told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpt_agent::drift::Drift;
use hpt_keystore::client::{self, Behind, KnownTarget};
use hpt_keystore::{Address, Identity, TargetName};
use hpt_proto::BadMessage;
use hpt_proto::convert::plan_reply;
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{
    self, AuditHeadRequest, AwaitFreeRequest, DriftRequest, FactsRequest, HealthRequest,
    Interrupted, PlanRequest, StatusReply, StatusRequest, WhyReply, WhyRequest,
};
use hpt_provisioner::PORT;
use hpt_provisioner::host::Hash;
use hpt_provisioner::inventory::At;
use hpt_provisioner::plan::Plan;
use hpt_transport::grpc::{self, MAX_MESSAGE};
use hpt_transport::{DialError, Dialer};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::address::HostPort;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::keys::Reach;
use crate::print::plural;
use crate::remote_audit::{Alarm, Watch};
use crate::site::{Job, Planned};
use crate::succession::{Next, follow, settle};
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
    address: HostPort,
    dialer: Dialer,
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

    /// Reads the keys for a target, dials it, and has its audit looked at.
    pub(crate) async fn connect(
        name: &TargetName,
        context: &mut Context,
    ) -> Result<Self, CommandError> {
        let Reach { key, target, next } = context.keys_for(name)?;
        let (places, port) = places(name, &target, context)?;
        let keystore = context.keystore()?;
        let identity = target.identity;
        let unsettled = matches!(target.behind, Some(Behind::Unsettled));
        let psk = Arc::new(target.psk);
        let mut tried = Err(nowhere(name));
        for address in places {
            let port = context.global.port.or(address.port).or(port);
            let dialer = Dialer::new(
                address.host.as_str(),
                port.unwrap_or(PORT),
                key.clone(),
                identity.channel,
                Arc::clone(&psk),
            );
            tried = match dial_as_pinned(dialer, identity, &keystore, name).await {
                Ok(reached) => Ok((address, reached)),
                Err(error) => Err(unreachable(name, &error)),
            };
            if tried.is_ok() {
                break;
            }
        }
        let (address, (dialer, identity, client)) = tried?;
        let audit = Watch::of(&keystore, identity.signing);
        let mut remote = Self {
            name: name.clone(),
            keystore,
            identity,
            kept_address: target.address,
            address,
            dialer,
            interrupted: None,
            unkept: false,
            window: Duration::ZERO,
            look: None,
            audit,
            client,
            behind: None,
        };
        let keystore = remote.keystore.clone();
        // A target that slept through a change of keys follows at its first contact.
        let followed = match next {
            Some(next) => follow(&mut remote, &keystore, name, &next).await,
            None if unsettled => settle(&mut remote, &keystore, name).await,
            None => Ok(()),
        };
        remote.behind = followed.err();
        let look = remote.audit.clone().look(remote.client.clone());
        remote.look = Some(tokio::spawn(look));
        Ok(remote)
    }

    /// Reaches the target by other keys from now on.
    pub(crate) async fn change_keys(&mut self, next: &Next) -> Result<(), DialError> {
        let dialer = self
            .dialer
            .with_keys(next.key.clone(), Arc::clone(&next.psk));
        self.client = dial(&dialer).await?;
        self.dialer = dialer;
        Ok(())
    }

    /// Dials anew, with a new handshake: by the target's new keys, if another command has pinned such.
    pub(crate) async fn reconnect(&mut self) -> Result<(), DialError> {
        let dialer = self.dialer.clone();
        let dialled = dial_as_pinned(dialer, self.identity, &self.keystore, &self.name);
        let (_, identity, client) = dialled.await?;
        self.client = client;
        self.is_known_by(identity);
        Ok(())
    }

    /// Reaches the target by other keys of its own from now on, if it answers to these.
    pub(crate) async fn reach_by(&mut self, identity: Identity) -> Result<(), CommandError> {
        let dialled = dial(&self.dialer.with_target(identity.channel)).await;
        let mut client = dialled.map_err(|error| unreachable(&self.name, &error))?;
        let reply = client.audit_head(AuditHeadRequest::default()).await;
        reply.map_err(|status| self.refused(&status))?;
        self.client = client;
        self.is_known_by(identity);
        Ok(())
    }

    /// From the next dial on.
    fn is_known_by(&mut self, identity: Identity) {
        self.dialer = self.dialer.with_target(identity.channel);
        self.audit = Watch::of(&self.keystore, identity.signing);
        self.identity = identity;
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

/// Where a target may be, in the order in which that is tried, and the port if no address has one: as
/// the command line says, or else the inventory, or else the keystore.
fn places(
    name: &TargetName,
    target: &KnownTarget,
    context: &mut Context,
) -> Result<(Vec<HostPort>, Option<u16>), CommandError> {
    if let Some(given) = &context.global.ip {
        return Ok((vec![given.clone()], None));
    }
    let At { ips, hpt_port, .. } = context.known_at(name)?;
    if !ips.is_empty() {
        let parse = |ip: &String| {
            HostPort::parse(ip).map_err(|bad| {
                let what = format!("{name}: {} in the inventory: {bad}", visible(ip));
                CommandError::new(Exit::Config, what)
            })
        };
        let ips: Result<_, _> = ips.iter().map(parse).collect();
        return Ok((ips?, hpt_port));
    }
    let known = target.address.as_ref();
    let known = known.and_then(|address| HostPort::parse(address.as_str()).ok());
    Ok((known.into_iter().collect(), hpt_port))
}

fn nowhere(name: &TargetName) -> CommandError {
    CommandError::new(
        Exit::Unreachable,
        format!("it is not known where {name} is"),
    )
    .hint("`--ip ADDRESS` says so for this call, `ips` in targets.toml for every one")
}

async fn dial(dialer: &Dialer) -> Result<TargetClient<Channel>, DialError> {
    let channel = grpc::connect(dialer.clone()).await?;
    Ok(TargetClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}

/// The same for the target with these keys; or with others, if another command has pinned such meanwhile.
async fn dial_as_pinned(
    dialer: Dialer,
    identity: Identity,
    keystore: &Path,
    name: &TargetName,
) -> Result<(Dialer, Identity, TargetClient<Channel>), DialError> {
    let dialled = dial(&dialer).await;
    if dialled.as_ref().is_err_and(is_shut)
        && let Ok((_, known)) = client::load_target(keystore, name)
        && known.identity != identity
    {
        let dialer = dialer.with_target(known.identity.channel);
        let client = dial(&dialer).await?;
        return Ok((dialer, known.identity, client));
    }
    Ok((dialer, identity, dialled?))
}

/// Whether a call ended because its connection did.
pub(crate) fn was_cut(status: &Status) -> bool {
    let connection = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::Unknown
    );
    connection && std::error::Error::source(status).is_some()
}

/// Whether somebody is there who does not know these keys, or has others.
fn is_shut(error: &DialError) -> bool {
    matches!(error, DialError::Closed { .. } | DialError::BadPeer { .. })
}

/// Whether nobody serves there just now.
fn is_away(status: &Status) -> bool {
    match grpc::dial_error(status) {
        Some(error) => matches!(
            error,
            DialError::Unreachable { .. } | DialError::Timeout { .. }
        ),
        None => status.code() == Code::Unavailable || was_cut(status),
    }
}

pub(crate) fn unreachable(name: &TargetName, error: &DialError) -> CommandError {
    let this = CommandError::new(Exit::Unreachable, format!("{name}: {error}"));
    match error {
        DialError::Unreachable { .. } => {
            this.hint("does `hpt serve` run there? `--ip` and `--port` name another place")
        }
        DialError::Timeout { address, .. } => {
            let port = address.rsplit_once(':').map_or("it", |(_, port)| port);
            this.hint(format!("is it up, and does a firewall let port {port} in?"))
        }
        DialError::Closed { .. } => this.hint(format!(
            "is what `hpt gen-target-keys --target {name}` wrote there, as /etc/hpt/keystore.db? \
             `hpt show {name}` has the fingerprint"
        )),
        DialError::BadPeer { .. } => this.hint("do not go on before you know who that is"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timeout_is_about_the_port_that_was_dialled() {
        let error = DialError::Timeout {
            address: "[2001:db8::1]:7001".into(),
            after: Duration::from_secs(10),
        };
        let name = TargetName::parse("web1").unwrap();
        let hints = unreachable(&name, &error).hints;
        assert_eq!(hints, ["is it up, and does a firewall let port 7001 in?"]);
    }
}
