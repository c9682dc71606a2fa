//! The calls about pins: who is let in here, lets others in, and changes keys.

use std::sync::Arc;

use hpt_keystore::target::{
    self, ClientPinError, Lockout, PinnedClient, RenewError, Renewal, SucceedError, Successor,
};
use hpt_keystore::{BadKey, ClientName, Existing, Grants, Identity, Psk, PublicKey};
use hpt_proto::wire::{
    self, AuthorizeReply, AuthorizeRequest, Client, ClientsReply, RenewReply, RevokeReply,
    RevokeRequest, SucceedRequest,
};
use tonic::Status;
use zeroize::Zeroizing;

use crate::grants::Caller;
use crate::journal::Journals;
use crate::prepare::undecided;
use crate::refusal::{blocking, failed};
use crate::run::RunError;
use crate::service::TargetService;

impl TargetService {
    pub(crate) async fn pinned_clients(&self) -> Result<ClientsReply, Status> {
        let pins = Arc::clone(&self.0.pins);
        let keys = blocking(move || pins.read()).await?;
        let keys = keys.map_err(|error| failed(&error))?;
        let clients = keys.clients.iter();
        Ok(ClientsReply {
            clients: clients
                .map(|client| to_wire(client, keys.late.contains(&client.name)))
                .collect(),
        })
    }

    pub(crate) async fn let_in(
        &self,
        caller: Arc<Caller>,
        request: AuthorizeRequest,
    ) -> Result<AuthorizeReply, Status> {
        let client = PinnedClient {
            name: client_name(&request.name)?,
            identity: identity(&request.identity)?,
            psk: psk(request.psk)?,
            grants: Grants::parse(&request.grants).map_err(|error| invalid(&error))?,
            added_at: self.0.notes.now(),
            until: Some(request.until).filter(|until| *until > 0),
            next: None,
        };
        if !caller.covers(&client.grants) {
            let what = "nobody lets others do here what they may not do themselves";
            return Err(Status::permission_denied(what));
        }
        if client.until.is_some_and(|until| until <= client.added_at) {
            return Err(Status::invalid_argument("its pin would have ended already"));
        }
        let existing = if request.replace {
            Existing::Replace
        } else {
            Existing::Keep
        };
        let add = move |path: &_| target::add_client(path, &client, existing, Lockout::Refuse);
        let added = self.change_pins(caller, add).await?;
        added.map_err(|error| refused(&error))?;
        Ok(AuthorizeReply {})
    }

    pub(crate) async fn let_go(
        &self,
        caller: Arc<Caller>,
        request: RevokeRequest,
    ) -> Result<RevokeReply, Status> {
        let lockout = if request.force_lockout {
            Lockout::Force
        } else {
            Lockout::Refuse
        };
        let is_meant: Box<dyn Fn(&PinnedClient) -> bool + Send> = if request.identity.is_empty() {
            let name = client_name(&request.name)?;
            Box::new(move |client| client.name == name)
        } else {
            let key = identity(&request.identity)?.channel;
            Box::new(move |client| client.channels().any(|(own, _)| own == key))
        };
        let remove = move |path: &_| {
            let clients = target::load(path)?.clients;
            let Some(meant) = clients.into_iter().find(|client| is_meant(client)) else {
                return Ok(String::new());
            };
            target::remove_client(path, &meant.name, lockout)?;
            Ok::<_, ClientPinError>(meant.name.to_string())
        };
        let removed = self.change_pins(caller, remove).await?;
        let name = removed.map_err(|error| refused(&error))?;
        Ok(RevokeReply { name })
    }

    pub(crate) async fn name_successor(
        &self,
        caller: Arc<Caller>,
        request: SucceedRequest,
    ) -> Result<(), Status> {
        let signature = request.signature.try_into();
        let signature =
            signature.map_err(|_| Status::invalid_argument("a signature has 64 bytes"))?;
        let next = Successor {
            identity: identity(&request.identity)?,
            psk: psk(request.psk)?,
            added_at: self.0.notes.now(),
        };
        let key = caller.key;
        let succeed = move |path: &_| target::succeed(path, &key, next, &signature);
        let named = self.change_pins(caller, succeed).await?;
        named.map(drop).map_err(|error| unfollowed(&error))
    }

    pub(crate) async fn settle_keys(&self, caller: Arc<Caller>) -> Result<(), Status> {
        let key = caller.key;
        let settled = self.change_pins(caller, move |path| target::settle(path, &key));
        settled.await?.map(drop).map_err(|error| unfollowed(&error))
    }

    pub(crate) async fn make_new_keys(&self, caller: Arc<Caller>) -> Result<RenewReply, Status> {
        // What a run that is not decided puts back may be an hpt that does not know what to do with them.
        let places = self.0.places.clone();
        let open = blocking(move || Ok::<_, RunError>(undecided(&Journals::open(&places)?, None)?));
        if let Some(open) = open.await?.map_err(|error| failed(&error))? {
            let what = format!("run {} of {} is not decided yet", open.run, open.by);
            return Err(Status::failed_precondition(what));
        }
        let (pins, name) = (Arc::clone(&self.0.pins), caller.name.clone());
        let now = self.0.notes.now();
        let renew = move |path: &_| target::renew(path, pins.own().passphrase(), now);
        match self.change_pins(caller, renew).await? {
            Ok(_) | Err(RenewError::Late { .. }) => {}
            Err(error) => return Err(failed(&error)),
        }
        let own = self.0.pins.own();
        let late = own.late();
        if !late.contains(&name) {
            let names: Vec<_> = late.iter().map(ClientName::as_str).collect();
            return Err(Status::failed_precondition(format!(
                "its keys are new already, and {} may know none but the former ones",
                names.join(", ")
            )));
        }
        let others = late.iter().filter(|other| **other != name);
        Ok(RenewReply {
            renewal: own.renewal_for(&name).as_ref().map(renewal_to_wire),
            late: others.map(ToString::to_string).collect(),
        })
    }

    pub(crate) async fn has_followed(
        &self,
        caller: Arc<Caller>,
        own: PublicKey,
    ) -> Result<(), Status> {
        let (key, now) = (caller.key, self.0.notes.now());
        let note = move |path: &_| target::followed(path, &key, &own, now);
        let noted = self.change_pins(caller, note).await?;
        if noted.map_err(|error| failed(&error))? {
            return Ok(());
        }
        let what = "this session is by the keys that this target had before";
        Err(Status::failed_precondition(what))
    }

    async fn change_pins<T: Send + 'static, E: Send + 'static>(
        &self,
        caller: Arc<Caller>,
        change: impl FnOnce(&std::path::Path) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Status> {
        let (pins, notes) = (Arc::clone(&self.0.pins), Arc::clone(&self.0.notes));
        blocking(move || pins.change(&caller, &notes, change)).await
    }
}

pub(crate) fn renewal_to_wire(renewal: &Renewal) -> wire::Renewal {
    wire::Renewal {
        identity: renewal.identity.to_bytes().into(),
        signature: renewal.signature.into(),
    }
}

fn to_wire(client: &PinnedClient, late: bool) -> Client {
    let next = client.next.as_ref();
    Client {
        name: client.name.to_string(),
        identity: client.identity.to_bytes().into(),
        grants: client.grants.to_string(),
        added_at: client.added_at,
        until: client.until.unwrap_or_default(),
        next: next
            .map(|next| next.identity.to_bytes().into())
            .unwrap_or_default(),
        late,
    }
}

fn invalid(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

fn client_name(text: &str) -> Result<ClientName, Status> {
    ClientName::parse(text).map_err(|bad| invalid(&bad))
}

fn identity(bytes: &[u8]) -> Result<Identity, Status> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| Status::invalid_argument("public keys have 64 bytes"))?;
    Identity::from_bytes(bytes).map_err(|bad: BadKey| invalid(&bad))
}

fn psk(bytes: Vec<u8>) -> Result<Psk, Status> {
    let bytes = Zeroizing::new(bytes);
    let bytes = bytes.as_slice().try_into().map(Zeroizing::new);
    let bytes = bytes.map_err(|_| Status::invalid_argument("a pre-shared key has 32 bytes"))?;
    Ok(Psk::from_bytes(bytes))
}

fn refused(error: &ClientPinError) -> Status {
    match error {
        ClientPinError::Taken { .. } | ClientPinError::SameKey { .. } => {
            Status::already_exists(error.to_string())
        }
        ClientPinError::Unknown { .. } => Status::not_found(error.to_string()),
        ClientPinError::LastOperator { .. } | ClientPinError::Load(_) => failed(error),
    }
}

fn unfollowed(error: &SucceedError) -> Status {
    match error {
        SucceedError::Signature | SucceedError::NotPinned { .. } => {
            Status::permission_denied(error.to_string())
        }
        SucceedError::SameKey { .. } => Status::already_exists(error.to_string()),
        SucceedError::Load(_) => failed(error),
    }
}
