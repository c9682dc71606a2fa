//! A session with a target: where it may be, dialled, and dialled anew, also by other keys of either end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::client::{self, Behind, KnownTarget};
use hpt_keystore::{Identity, TargetName};
use hpt_proto::wire::AuditHeadRequest;
use hpt_proto::wire::target_client::TargetClient;
use hpt_provisioner::PORT;
use hpt_provisioner::inventory::At;
use hpt_transport::grpc::{self, MAX_MESSAGE};
use hpt_transport::{DialError, Dialer};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::address::HostPort;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::keys::Reach;
use crate::remote::Remote;
use crate::remote_audit::Watch;
use crate::succession::{Next, follow, settle};
use crate::terminal::visible;

impl Remote {
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
pub(crate) fn is_shut(error: &DialError) -> bool {
    matches!(error, DialError::Closed { .. } | DialError::BadPeer { .. })
}

/// Whether nobody serves there just now.
pub(crate) fn is_away(status: &Status) -> bool {
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
