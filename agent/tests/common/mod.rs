//! A real server and a real client that pinned each other, on loopback, in one process.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary takes a part of it"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hpt_agent::{Options, Places, Runner, Server};
use hpt_keystore::target::{self, PinnedClient};
use hpt_keystore::{ClientName, Existing, Grants, Keypair, Psk, PublicKey, SecretKey};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, PutBlobsRequest};
use hpt_proto::{Delivery, End, Told, convert};
use hpt_provisioner::config::File;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::plan::{Bound, Plan};
use hpt_provisioner::report::Event;
use hpt_provisioner::request::Request;
use hpt_provisioner::source::{Blob, Source};
use hpt_transport::{Dialer, Limits, LocalKey, Penalties, bind, grpc};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::transport::Channel;

/// A target in a scratch directory. It stops when dropped.
pub struct TestServer {
    pub dir: TempDir,
    pub address: SocketAddr,
    pub target: PublicKey,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), hpt_agent::ServeError>>,
}

/// A client's keys, and the psk that it shares with the target.
pub struct TestClient {
    pub name: ClientName,
    pub own: Keypair,
    pub psk: Psk,
}

impl TestClient {
    pub fn new(name: &str) -> Self {
        let name = ClientName::parse(name).unwrap();
        Self {
            name,
            own: Keypair::generate(),
            psk: Psk::generate(),
        }
    }

    pub fn pin(&self, grants: &str) -> PinnedClient {
        PinnedClient {
            name: self.name.clone(),
            identity: self.own.identity(),
            psk: copy(&self.psk),
            grants: Grants::parse(grants).unwrap(),
            added_at: 1_750_000_000,
            until: None,
            next: None,
        }
    }
}

/// A psk cannot be cloned by mistake; here it is no mistake.
pub fn copy(psk: &Psk) -> Psk {
    Psk::from_bytes((*psk.expose()).into())
}

/// The time in tests.
pub fn clock() -> u64 {
    1_750_000_000
}

impl TestServer {
    /// A server that obeys these clients, for a root that does not run.
    pub fn start(clients: &[PinnedClient]) -> Self {
        let dir = scratch();
        let places = places_in(dir.path());
        Self::start_at(clients, dir, places)
    }

    /// The same for this machine, where commands can run.
    pub fn start_live(clients: &[PinnedClient]) -> Self {
        let dir = scratch();
        let places = Places {
            root: "/".into(),
            ..places_in(dir.path())
        };
        Self::start_at(clients, dir, places)
    }

    fn start_at(clients: &[PinnedClient], dir: TempDir, places: Places) -> Self {
        let target = keystore(dir.path(), clients);
        Self::serve(dir, places, target)
    }

    /// Stops it, and starts another one in its place, for the root that does not run.
    pub async fn restart(self) -> Self {
        let target = self.target;
        let dir = self.stop().await;
        let places = places_in(dir.path());
        Self::serve(dir, places, target)
    }

    fn serve(dir: TempDir, places: Places, target: PublicKey) -> Self {
        let keystore = dir.path().join("keystore.db");
        let limits = Limits {
            penalties: Penalties::OFF,
            ..Limits::default()
        };
        let program = env!("CARGO_BIN_EXE_hpt-agent-test-runner").into();
        let runner = Runner::Process { program };
        let server = Server::new(Options {
            keystore,
            passphrase: None,
            places,
            runner,
            clock,
            limits,
        })
        .unwrap();
        let tcp = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = tcp.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(tcp, async {
            let _ = stopped.await;
        }));
        Self {
            dir,
            address,
            target,
            stop,
            ended,
        }
    }

    pub fn keystore(&self) -> PathBuf {
        self.dir.path().join("keystore.db")
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn places(&self) -> Places {
        places_in(self.dir.path())
    }

    /// Stops it and waits; what was its directory stays while the answer does.
    pub async fn stop(self) -> TempDir {
        drop(self.stop);
        self.ended.await.unwrap().unwrap();
        self.dir
    }

    pub fn dialer(&self, client: &TestClient) -> Dialer {
        dialer(client, self.target, self.address)
    }

    pub async fn connect(&self, client: &TestClient) -> TargetClient<Channel> {
        connect(client, self.target, self.address).await
    }
}

fn dialer(client: &TestClient, target: PublicKey, address: SocketAddr) -> Dialer {
    let own = SecretKey::from_bytes((*client.own.channel.expose()).into());
    let (own, psk) = (LocalKey::new(own), Arc::new(copy(&client.psk)));
    Dialer::new(address.ip().to_string(), address.port(), own, target, psk)
        .patience(Duration::from_secs(5))
}

/// The calls of a target that may be somewhere else than its server says, behind a relay.
pub async fn connect(
    client: &TestClient,
    target: PublicKey,
    address: SocketAddr,
) -> TargetClient<Channel> {
    try_connect(client, target, address)
        .await
        .expect("the target answers")
}

/// The same, if the way is open.
pub async fn try_connect(
    client: &TestClient,
    target: PublicKey,
    address: SocketAddr,
) -> Option<TargetClient<Channel>> {
    let channel = grpc::connect(dialer(client, target, address)).await.ok()?;
    let client = TargetClient::new(channel)
        .max_decoding_message_size(grpc::MAX_MESSAGE)
        .max_encoding_message_size(grpc::MAX_MESSAGE);
    Some(client)
}

/// Writes the keystore of a target that obeys these clients; its public key.
pub fn keystore(dir: &Path, clients: &[PinnedClient]) -> PublicKey {
    let own = Keypair::generate();
    let target = own.identity().channel;
    target::write_new(&dir.join("keystore.db"), own, clients, Existing::Keep).unwrap();
    target
}

/// A directory with an empty root.
pub fn scratch() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["root/etc", "root/srv"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    dir
}

pub fn places_in(dir: &Path) -> Places {
    Places {
        root: dir.join("root"),
        state: dir.join("state"),
        run: dir.join("run"),
    }
}

/// A config as one file, without sources.
pub fn delivery(text: &str) -> Delivery {
    let files = vec![File {
        name: "site.toml".into(),
        text: text.into(),
    }];
    let target = "web1".into();
    let (sources, secrets) = (BTreeMap::new(), BTreeMap::new());
    Delivery {
        request: Request {
            target,
            files,
            given: hpt_provisioner::config::Given::default(),
            sources,
            secrets,
        },
        contents: HashMap::new(),
    }
}

/// The same with a source; its content comes along if `lent`.
pub fn with_source(mut delivery: Delivery, path: &str, content: &[u8], lent: bool) -> Delivery {
    let hash = blake3::hash(content);
    let blob = Blob {
        hash,
        size: content.len().try_into().unwrap(),
    };
    delivery
        .request
        .sources
        .insert(Source::parse(path).unwrap(), blob);
    if lent {
        delivery.contents.insert(hash, Arc::from(content));
    }
    delivery
}

pub async fn plan(
    client: &mut TargetClient<Channel>,
    delivery: &Delivery,
    reveal: bool,
) -> Result<Result<Plan, Vec<Fault>>, Status> {
    let request = wire::PlanRequest {
        request: Some(delivery.into()),
        reveal,
    };
    let reply = client.plan(request).await?.into_inner();
    Ok(convert::plan_reply(reply, &delivery.request.files).unwrap())
}

pub fn apply_request(delivery: &Delivery, bound: Option<&Bound>) -> wire::ApplyRequest {
    wire::ApplyRequest {
        request: Some(delivery.into()),
        bound: bound.map(Into::into),
        rerun: Vec::new(),
        confirm: None,
    }
}

/// An apply to its end; the end is asserted to be the only one and the last.
pub async fn apply(
    client: &mut TargetClient<Channel>,
    delivery: &Delivery,
    bound: Option<Bound>,
    blocks: usize,
) -> Result<(Vec<Event>, End), Status> {
    let mut stream = client
        .apply(apply_request(delivery, bound.as_ref()))
        .await?
        .into_inner();
    let (mut events, mut end) = (Vec::new(), None);
    while let Some(message) = stream.message().await? {
        assert!(end.is_none(), "nothing comes after the end");
        match Told::parse(message, &delivery.request.files, blocks).unwrap() {
            Told::Begun(begun) => assert_eq!(begun.blocks.len(), blocks),
            Told::Event(event) => events.push(event),
            Told::End(told) => end = Some(told),
        }
    }
    Ok((events, end.expect("a stream that ends well has an end")))
}

/// Sends blobs in one call, in chunks of `chunk` bytes.
pub async fn put(
    client: &mut TargetClient<Channel>,
    blobs: &[&[u8]],
    chunk: usize,
) -> Result<(), Status> {
    let mut messages = Vec::new();
    for blob in blobs {
        let hash = blake3::hash(blob).as_bytes().to_vec();
        let size = blob.len().try_into().unwrap();
        messages.push(PutBlobsRequest {
            hash,
            size,
            chunk: Bytes::new(),
        });
        let chunks = blob.chunks(chunk).map(Bytes::copy_from_slice);
        messages.extend(chunks.map(|chunk| PutBlobsRequest {
            chunk,
            ..Default::default()
        }));
    }
    client
        .put_blobs(tokio_stream::iter(messages))
        .await
        .map(drop)
}
