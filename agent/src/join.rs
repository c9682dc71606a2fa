//! A host that makes keys of its own and meets the client of an invitation, once (K9).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::target::{self, PinnedClient};
use hpt_keystore::{
    ClientName, Existing, FirstKeys, Grants, Identity, Invitation, Keypair, LoadError, Psk,
};
use hpt_proto::wire::joining_server::{Joining, JoiningServer};
use hpt_proto::wire::{MeetReply, MeetRequest, WelcomeReply, WelcomeRequest};
use hpt_transport::grpc::{self, MAX_MESSAGE, Peer};
use hpt_transport::{AllowList, Limits, LocalKey, Pin, Tell, listen_and_tell};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tonic::{Request, Response, Status, async_trait};

use crate::refusal::{blocking, failed};

/// How long calls may take that were under way when it was done: the client hears that it was.
const GRACE: Duration = Duration::from_secs(2);

/// Why nobody was met.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The keystore cannot be written.
    #[error(transparent)]
    Keystore(#[from] LoadError),
    /// Its time has passed.
    #[error("nobody came before the invitation ended")]
    Ended,
    /// The server ended by itself.
    #[error("the server broke off: {0}")]
    Broken(#[from] tonic::transport::Error),
    /// The port cannot be listened on.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
}

/// What a host and the client that invited it come to know of each other.
#[derive(Clone)]
struct Host(Arc<Shared>);

struct Shared {
    keystore: PathBuf,
    existing: Existing,
    now: u64,
    /// The host's own keys, until they are in the keystore.
    own: Mutex<Option<Keypair>>,
    identity: Identity,
    psk: Psk,
    /// The client, once it has said who it is.
    client: Mutex<Option<(ClientName, Identity)>>,
    /// Why the keystore was not written, if it was not.
    failure: Mutex<Option<LoadError>>,
    done: watch::Sender<bool>,
}

/// Makes keys, waits on `tcp` for the client that the invitation names, and writes a keystore in which that
/// client may do everything. Says whose keys these are. Needs a Tokio runtime; `left` is how long the invitation
/// lasts, `now` the time in unix seconds.
///
/// # Errors
/// [`JoinError`]; then there is no keystore, and no keys.
pub async fn join(
    tcp: TcpListener,
    invitation: &Invitation,
    (keystore, existing): (PathBuf, Existing),
    (now, left): (u64, Duration),
    tell: Tell,
) -> Result<Identity, JoinError> {
    let FirstKeys { host, psk } = invitation.first_keys();
    let pin = Pin {
        key: invitation.client(),
        psk,
    };
    let own = Keypair::generate();
    let (tell_done, mut done) = watch::channel(false);
    let service = Host(Arc::new(Shared {
        keystore,
        existing,
        now,
        identity: own.identity(),
        own: Mutex::new(Some(own)),
        psk: Psk::generate(),
        client: Mutex::default(),
        failure: Mutex::default(),
        done: tell_done,
    }));
    let shared = Arc::clone(&service.0);
    let allow = AllowList::new(vec![pin]);
    let incoming = listen_and_tell(
        tcp,
        LocalKey::new(host).into(),
        allow,
        Limits::default(),
        tell,
    );
    let joining = JoiningServer::new(service).max_decoding_message_size(MAX_MESSAGE);
    let mut late = done.clone();
    let too_late = async {
        let _ = late.wait_for(|done| *done).await;
        tokio::time::sleep(GRACE).await;
    };
    let serving = grpc::server().serve_with_incoming_shutdown(joining, incoming, async move {
        let _ = done.wait_for(|done| *done).await;
    });
    tokio::select! {
        served = serving => served?,
        () = too_late => {}
        () = tokio::time::sleep(left) => return Err(JoinError::Ended),
    }
    match shared.failure.lock().await.take() {
        Some(error) => Err(error.into()),
        None => Ok(shared.identity),
    }
}

#[async_trait]
impl Joining for Host {
    async fn meet(&self, request: Request<MeetRequest>) -> Result<Response<MeetReply>, Status> {
        let bad = |what: String| Status::invalid_argument(what);
        let peer = request.extensions().get::<Peer>().map(|peer| peer.key);
        let MeetRequest { identity, name } = request.into_inner();
        let name = ClientName::parse(&name).map_err(|why| bad(why.to_string()))?;
        let bytes = identity.try_into();
        let bytes = bytes.map_err(|_| bad("public keys have 64 bytes".to_owned()))?;
        let client = Identity::from_bytes(&bytes).map_err(|why| bad(why.to_string()))?;
        // The invitation has one of the two keys; whoever holds that says what the other is.
        if peer != Some(client.channel) {
            let what = "these are not the keys of this session";
            return Err(Status::permission_denied(what));
        }
        *self.0.client.lock().await = Some((name, client));
        Ok(Response::new(MeetReply {
            identity: self.0.identity.to_bytes().into(),
            psk: self.0.psk.expose().into(),
        }))
    }

    async fn welcome(&self, _: Request<WelcomeRequest>) -> Result<Response<WelcomeReply>, Status> {
        let Some((name, identity)) = self.0.client.lock().await.clone() else {
            return Err(Status::failed_precondition("nobody was met yet"));
        };
        let Some(own) = self.0.own.lock().await.take() else {
            return Err(Status::failed_precondition("this host has joined already"));
        };
        let client = PinnedClient {
            name,
            identity,
            psk: Psk::from_bytes((*self.0.psk.expose()).into()),
            grants: Grants::all(),
            added_at: self.0.now,
            until: None,
            next: None,
        };
        let shared = Arc::clone(&self.0);
        let write = move || target::write_new(&shared.keystore, own, &[client], shared.existing);
        let mut failure = self.0.failure.lock().await;
        let written = blocking(write).await?;
        self.0.done.send_replace(true);
        match written {
            Ok(()) => Ok(Response::new(WelcomeReply {})),
            Err(error) => {
                let status = failed(&error);
                *failure = Some(error);
                Err(status)
            }
        }
    }
}
