//! The pins of a target over the channel: listed, added, removed, followed by others.

use std::fmt;

use hpt_keystore::{BadKey, ClientName, Grants, Identity, Role};
use hpt_proto::wire::{
    AuditHeadRequest, AuthorizeRequest, Client, ClientsRequest, RevokeRequest, SettleRequest,
    SucceedRequest,
};

use crate::error::{CommandError, Exit};
use crate::link::unreachable;
use crate::remote::Remote;
use crate::succession::{Contact, Next};
use crate::terminal::visible;

/// A client as a target knows it.
pub(crate) struct Pinned {
    pub(crate) name: ClientName,
    pub(crate) identity: Identity,
    pub(crate) grants: Grants,
    pub(crate) added_at: u64,
    pub(crate) until: Option<u64>,
    /// Keys that follow and were not used yet.
    pub(crate) next: Option<Identity>,
    /// It may know none but the keys that the target had before.
    pub(crate) late: bool,
}

/// Whom to let in no longer.
#[derive(Clone)]
pub(crate) enum Whom {
    Named(ClientName),
    Holding(Identity),
}

impl Whom {
    /// A name as the targets have it, or a key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("hptclient1") {
            let key = Identity::parse(Role::Client, text).map_err(|bad| bad.to_string())?;
            return Ok(Self::Holding(key));
        }
        let name = ClientName::parse(text).map_err(|bad| bad.to_string())?;
        Ok(Self::Named(name))
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Holding(key) => f.write_str(&key.fingerprint()),
        }
    }
}

impl Remote {
    pub(crate) async fn clients(&mut self) -> Result<Vec<Pinned>, CommandError> {
        let reply = self.client.clients(ClientsRequest {}).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let pinned = reply.clients.into_iter().map(pinned);
        let pinned: Result<_, String> = pinned.collect();
        pinned.map_err(|bad| {
            let what = format!("{}: a client that it knows: {}", self.name, visible(&bad));
            CommandError::new(Exit::Failed, what).hint("is the hpt there of another version?")
        })
    }

    pub(crate) async fn authorize(
        &mut self,
        request: AuthorizeRequest,
    ) -> Result<(), CommandError> {
        let reply = self.client.authorize(request).await;
        reply.map(drop).map_err(|status| self.refused(&status))
    }

    /// Lets a client in no longer; the name that it had, if it was let in.
    pub(crate) async fn revoke(
        &mut self,
        whom: &Whom,
        force_lockout: bool,
    ) -> Result<Option<String>, CommandError> {
        let (name, identity) = match whom {
            Whom::Named(name) => (name.to_string(), Vec::new()),
            Whom::Holding(key) => (String::new(), key.to_bytes().into()),
        };
        let request = RevokeRequest {
            name,
            identity,
            force_lockout,
        };
        let reply = self.client.revoke(request).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        Ok(Some(reply.name).filter(|name| !name.is_empty()))
    }
}

impl Remote {
    /// Whether it answers, to whoever is pinned.
    pub(crate) async fn answers(&mut self) -> Result<(), CommandError> {
        let reply = self.client.audit_head(AuditHeadRequest::default()).await;
        reply.map(drop).map_err(|status| self.refused(&status))
    }
}

impl Contact for Remote {
    async fn succeed(&mut self, next: &Next) -> Result<(), CommandError> {
        let request = SucceedRequest {
            identity: next.identity.to_bytes().into(),
            psk: next.psk.expose().into(),
            signature: next.signature.into(),
        };
        let reply = self.client.succeed(request).await;
        reply.map(drop).map_err(|status| self.refused(&status))
    }

    async fn prove(&mut self, next: &Next) -> Result<(), CommandError> {
        let changed = self.change_keys(next).await;
        changed.map_err(|error| unreachable(&self.name, &error))?;
        self.answers().await
    }

    async fn settle(&mut self) -> Result<(), CommandError> {
        let reply = self.client.settle(SettleRequest {}).await;
        reply.map(drop).map_err(|status| self.refused(&status))
    }
}

fn pinned(client: Client) -> Result<Pinned, String> {
    let bad_name = |bad: hpt_keystore::BadName| bad.to_string();
    let bad_key = |bad: BadKey| bad.to_string();
    let identity = |bytes: Vec<u8>| {
        let bytes = bytes.try_into();
        let bytes = bytes.map_err(|_| "its keys are of a wrong length".to_owned())?;
        Identity::from_bytes(&bytes).map_err(bad_key)
    };
    let next = Some(client.next).filter(|next| !next.is_empty());
    Ok(Pinned {
        name: ClientName::parse(&client.name).map_err(bad_name)?,
        identity: identity(client.identity)?,
        grants: Grants::parse(&client.grants).map_err(|bad| bad.to_string())?,
        added_at: client.added_at,
        until: Some(client.until).filter(|until| *until > 0),
        next: next.map(identity).transpose()?,
        late: client.late,
    })
}
