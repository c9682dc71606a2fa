//! The channel of hpt.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_stream::Stream;

use hpt_keystore::{Psk, SecretKey};
use hpt_transport::{
    Accepted, AllowList, Dialer, Limits, Link, LocalKey, Penalties, Pin, bind, listen,
};

use crate::transport::Transport;

#[derive(Clone)]
pub(crate) struct Noise {
    target: LocalKey,
    client: LocalKey,
    psk: [u8; 32],
}

impl Noise {
    pub(crate) fn new() -> Self {
        Self {
            target: LocalKey::new(SecretKey::generate()),
            client: LocalKey::new(SecretKey::generate()),
            psk: *Psk::generate().expose(),
        }
    }

    fn psk(&self) -> Psk {
        Psk::from_bytes(self.psk.into())
    }
}

impl Transport for Noise {
    type Ours = Link<TcpStream>;
    type Theirs = Link<Accepted>;

    async fn listen(
        &self,
    ) -> (
        SocketAddr,
        impl Stream<Item = io::Result<Self::Theirs>> + Send + 'static,
    ) {
        let tcp = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has a free port");
        let at = tcp.local_addr().expect("it is bound");
        let allow = AllowList::new(vec![Pin {
            key: self.client.public(),
            psk: self.psk(),
        }]);
        (at, listen(tcp, self.target.clone(), allow, lenient()))
    }

    async fn dial(&self, at: SocketAddr) -> io::Result<Self::Ours> {
        let host = at.ip().to_string();
        let psk = Arc::new(self.psk());
        let dialer = Dialer::new(
            host,
            at.port(),
            self.client.clone(),
            self.target.public(),
            psk,
        );
        dialer.dial().await.map_err(io::Error::other)
    }
}

/// A bench behaves like a flood from one address and one key, and is not to be stopped.
fn lenient() -> Limits {
    let mut limits = Limits {
        penalties: Penalties::OFF,
        ..Limits::default()
    };
    limits.half_open.per_source = limits.half_open.total;
    limits.sessions.per_second = 1e9;
    limits.sessions.burst = 1e9;
    limits
}
