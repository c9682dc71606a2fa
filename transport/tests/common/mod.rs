//! A target with an echo service, and a client that it pinned.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "each test binary takes a part of it"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hpt_keystore::{Psk, PublicKey, SecretKey};
use hpt_transport::grpc::{self, MAX_MESSAGE, Peer};
use hpt_transport::{
    AllowList, Dialer, Incoming, Limits, LocalKey, Penalties, Pin as KeyPin, bind, listen,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::IntervalStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, BoxStream, http};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// Set where a test plays the target of itself.
const TARGET: &str = "HPT_TEST_TARGET";

pub type Bytes = Vec<u8>;

/// The keys of one target and one client that trust each other.
pub struct Pair {
    pub target: LocalKey,
    pub client: LocalKey,
    pub psk: [u8; 32],
    pub allow: AllowList,
}

pub fn psk_of(bytes: [u8; 32]) -> Psk {
    Psk::from_bytes(bytes.into())
}

pub fn pin(key: PublicKey, psk: [u8; 32]) -> KeyPin {
    KeyPin {
        key,
        psk: psk_of(psk),
    }
}

impl Pair {
    pub fn new() -> Self {
        let client = LocalKey::new(SecretKey::generate());
        let psk = *Psk::generate().expose();
        Self {
            target: LocalKey::new(SecretKey::generate()),
            allow: AllowList::new(vec![pin(client.public(), psk)]),
            client,
            psk,
        }
    }

    pub fn dialer(&self, at: SocketAddr) -> Dialer {
        self.dialer_as(&self.client, at)
    }

    pub fn dialer_as(&self, client: &LocalKey, at: SocketAddr) -> Dialer {
        let psk = Arc::new(psk_of(self.psk));
        Dialer::new(
            at.ip().to_string(),
            at.port(),
            client.clone(),
            self.target.public(),
            psk,
        )
    }

    /// Listens on a free port of this machine.
    pub fn listen(&self, limits: Limits) -> (SocketAddr, Incoming) {
        let tcp = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let at = tcp.local_addr().unwrap();
        (
            at,
            listen(tcp, self.target.clone(), self.allow.clone(), limits),
        )
    }

    /// Serves [`Echo`] until the guard is dropped.
    pub fn serve(&self, limits: Limits) -> (SocketAddr, oneshot::Sender<()>) {
        let (at, incoming) = self.listen(limits);
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(
            grpc::server().serve_with_incoming_shutdown(Echo, incoming, async {
                let _ = stopped.await;
            }),
        );
        (at, stop)
    }
}

/// Limits under which a test may behave like a flood.
pub fn lenient() -> Limits {
    let mut limits = Limits {
        penalties: Penalties::OFF,
        ..Limits::default()
    };
    limits.half_open.per_source = limits.half_open.total;
    limits.sessions.per_second = 1e9;
    limits.sessions.burst = 1e9;
    limits
}

/// Unary calls that give back what they got; "panic" panics, "who" names the caller's key.
/// `/echo/Stream` gives it back every 20 ms, "panic later" just twice; `/echo/Panic` is no call.
#[derive(Clone)]
pub struct Echo;

impl tonic::server::UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        Box::pin(async move {
            let said = request.into_inner();
            let answer = match said.as_slice() {
                b"panic" => panic!("asked to"),
                b"wait" => std::future::pending().await,
                b"who" => peer.unwrap().key.as_bytes().to_vec(),
                b"session" => peer.unwrap().handshake_hash.to_vec(),
                _ => said,
            };
            Ok(Response::new(answer))
        })
    }
}

impl tonic::server::ServerStreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = BoxStream<Bytes>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let said = request.into_inner();
        assert_ne!(said, b"panic", "asked to");
        let every = tokio::time::interval(Duration::from_millis(20));
        let mut beats = 0;
        let answers: Self::ResponseStream = Box::pin(IntervalStream::new(every).map(move |_| {
            beats += 1;
            assert!(said != b"panic later" || beats < 3, "asked to");
            Ok(said.clone())
        }));
        Box::pin(async move { Ok(Response::new(answers)) })
    }
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/echo/Panic", "asked to");
        Box::pin(async move {
            let mut server = tonic::server::Grpc::new(ProstCodec::<Bytes, Bytes>::default())
                .max_decoding_message_size(MAX_MESSAGE);
            Ok(match path.as_str() {
                "/echo/Stream" => server.server_streaming(Echo, request).await,
                _ => server.unary(Echo, request).await,
            })
        })
    }
}

/// One echo call.
pub async fn echo(channel: &Channel, message: &[u8]) -> Result<Bytes, Status> {
    call(channel, "/echo/Echo", message).await
}

/// One call of this path.
pub async fn call(channel: &Channel, path: &'static str, message: &[u8]) -> Result<Bytes, Status> {
    let path = http::uri::PathAndQuery::from_static(path);
    let request = Request::new(message.to_vec());
    let reply = ready(channel).await?.unary(request, path, codec()).await?;
    Ok(reply.into_inner())
}

/// A stream of echoes.
pub async fn echoes(channel: &Channel, message: &[u8]) -> Result<Streaming<Bytes>, Status> {
    let path = http::uri::PathAndQuery::from_static("/echo/Stream");
    let request = Request::new(message.to_vec());
    let mut client = ready(channel).await?;
    let reply = client.server_streaming(request, path, codec()).await?;
    Ok(reply.into_inner())
}

async fn ready(channel: &Channel) -> Result<tonic::client::Grpc<Channel>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    let ready = client.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(client)
}

fn codec() -> ProstCodec<Bytes, Bytes> {
    ProstCodec::default()
}

/// Hellos that the pair's client meant for the pair's target, caught on the way.
pub async fn captured_hellos(pair: &Pair, count: usize) -> Vec<[u8; 113]> {
    let tap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialer = pair.dialer(tap.local_addr().unwrap());
    let dialing = tokio::spawn(async move {
        for _ in 0..count {
            assert!(dialer.dial().await.is_err());
        }
    });
    let mut hellos = Vec::new();
    for _ in 0..count {
        let (mut stream, _) = tap.accept().await.unwrap();
        let mut hello = [0; 113];
        stream.read_exact(&mut hello).await.unwrap();
        hellos.push(hello);
    }
    dialing.await.unwrap();
    hellos
}

/// Starts the one test of this binary named `test` again, in a process of its own where it plays the
/// target: there [`is_target`] holds.
pub fn target_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(TARGET, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Whether this process was started by [`target_process`].
pub fn is_target() -> bool {
    std::env::var_os(TARGET).is_some()
}

/// Whether somebody has the time for the long form of a test.
pub fn is_long() -> bool {
    std::env::var_os("HPT_LONG").is_some()
}

/// Lets this process hold so many files and sockets.
pub fn allow_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        setrlimit(Resource::Nofile, raised)
            .unwrap_or_else(|why| panic!("{wanted} files must be allowed (ulimit -Hn): {why}"));
    }
}

/// Connects from another address of the loopback network, so as to be another source.
pub async fn connect_from(host: u8, at: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, 0, host], 0)))
        .unwrap();
    socket.connect(at).await.unwrap()
}

/// All that comes before the other end closes, at most for `patience`; `None` if it stays open.
pub async fn answer(stream: &mut TcpStream, patience: Duration) -> Option<Bytes> {
    let mut bytes = Vec::new();
    // A reset is a way to close, too.
    let closed = timeout(patience, stream.read_to_end(&mut bytes)).await;
    closed.ok().map(|_| bytes)
}
