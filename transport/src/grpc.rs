//! gRPC over a [`Link`]: the limits of HTTP/2 at both ends, and who is calling.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use tonic::Status;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tower::layer::util::{Identity, Stack};

use hpt_keystore::PublicKey;

use crate::dial::{DialError, Dialer};
use crate::idle::{Accepted, Calls};
use crate::link::Link;

pub use crate::count::{Count, Counted};

/// The longest message of gRPC, in bytes. Generated code takes it as
/// `max_decoding_message_size` and `max_encoding_message_size` (C2).
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// What one stream may have in flight: blobs would wait for windows otherwise.
const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const FRAME: u32 = 256 * 1024;
const HEADERS: u32 = 16 * 1024;
const STREAMS: u32 = 32;
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Who is at the other end of a call; the server finds it in a request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The key that the caller has proved to hold.
    pub key: PublicKey,
    /// The key of this end that the caller knows.
    pub own: PublicKey,
    /// The name of the session (H13).
    pub handshake_hash: [u8; 32],
    /// Where it calls from, if the socket still knows.
    pub address: Option<SocketAddr>,
    /// When the session began: its handshake is not older.
    pub began: Instant,
    /// What else it calls in this session.
    pub(crate) calls: Calls,
}

impl Connected for Link<Accepted> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer {
            key: self.peer(),
            own: self.own(),
            handshake_hash: self.handshake_hash(),
            address: self.io().tcp().peer_addr().ok(),
            began: self.io().began(),
            calls: self.io().calls().clone(),
        }
    }
}

/// A server with hpt's limits, to be given a service and an [`Incoming`](crate::Incoming).
#[must_use]
pub fn server() -> Server<Stack<Count, Identity>> {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_max_header_list_size(HEADERS)
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(Count)
}

/// Dials now, and again with a fresh handshake whenever the channel has to reconnect.
///
/// # Errors
/// What kept the first dial from succeeding.
pub async fn connect(dialer: Dialer) -> Result<Channel, DialError> {
    let address = dialer.address();
    let connector = tower::service_fn(move |_: Uri| {
        let dialer = dialer.clone();
        async move { dialer.dial().await.map(TokioIo::new) }
    });
    // The authority of the URI is never looked up, nor sent to anyone but the target.
    Endpoint::from_static("http://hpt")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_max_header_list_size(HEADERS)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
        .map_err(|error| {
            // Past the dial, all that can fail is the peer's HTTP/2 preface.
            cause(&error)
                .cloned()
                .unwrap_or(DialError::BadPeer { address })
        })
}

/// The failed dial behind the status of a call, if a reconnect is what failed.
#[must_use]
pub fn dial_error(status: &Status) -> Option<&DialError> {
    cause(status)
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a DialError> {
    std::iter::successors(Some(error), |error| Error::source(*error))
        .find_map(|error| error.downcast_ref())
}
