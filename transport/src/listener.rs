//! The door of a target: an accept loop that never stops, and a bounded task for each handshake.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::Stream;

use crate::allow::AllowList;
use crate::door::{Door, Limits, Links, Tell};
use crate::idle::Accepted;
use crate::link::Link;
use crate::local::{LocalKey, LocalKeys};
use crate::trouble::Trouble;

/// Connections that the kernel keeps until they are accepted. With the usual 128, a flood would make
/// honest callers wait for retransmissions of their SYN.
const QUEUE: u32 = 4096;

/// Links that wait to be taken by the server above.
const BACKLOG: usize = 16;

/// Authenticated links, in the order in which they proved themselves. Never ends by itself;
/// dropping it closes the port and every handshake under way, and leaves live links alone.
pub struct Incoming(mpsc::Receiver<Link<Accepted>>);

impl Stream for Incoming {
    type Item = io::Result<Link<Accepted>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|link| link.map(Ok))
    }
}

/// A port to [`listen`] on. `[::]` takes IPv4 as well, where the system does not say otherwise.
///
/// # Errors
/// What the system says: the address is taken, not of this host, or not for this user.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Starts to accept on `tcp`. Everyone but the owners of keys in `allow` gets no byte back.
///
/// Needs a Tokio runtime. Sessions of a key that leaves `allow` end at once, also after
/// [`Incoming`] is dropped.
#[must_use]
pub fn listen(tcp: TcpListener, local: LocalKey, allow: AllowList, limits: Limits) -> Incoming {
    listen_and_tell(tcp, local.into(), allow, limits, Arc::new(|_| ()))
}

/// The same, and `tell` hears who is turned away; it must not block.
#[must_use]
pub fn listen_and_tell(
    tcp: TcpListener,
    locals: LocalKeys,
    allow: AllowList,
    limits: Limits,
    tell: Tell,
) -> Incoming {
    let (links, incoming) = mpsc::channel(BACKLOG);
    let door = Door::new(locals, allow, limits, tell);
    door.spawn_revoker();
    tokio::spawn(accept(door, tcp, links));
    Incoming(incoming)
}

/// The accept loop. It ends when nobody wants its links any more, and takes its handshakes along.
async fn accept(door: Door, tcp: TcpListener, links: Links) {
    let mut handshakes = JoinSet::new();
    let mut trouble = Trouble::new();
    loop {
        tokio::select! {
            accepted = tcp.accept() => match accepted {
                Ok((stream, from)) => {
                    trouble.passed();
                    if let Some(place) = door.admit(from) {
                        handshakes.spawn(door.clone().greet(stream, place, links.clone()));
                    }
                }
                Err(error) => trouble.pause(&tcp, &error).await,
            },
            Some(ended) = handshakes.join_next() => if let Err(error) = ended {
                tracing::error!("a handshake task panicked: {error}");
            },
            () = links.closed() => return,
        }
    }
}
