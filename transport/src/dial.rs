//! Reaching out: an address and a pinned key to a [`Link`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use hpt_keystore::{Psk, PublicKey};

use crate::handshake::{CONFIRM, Hello};
use crate::link::Link;
use crate::local::LocalKey;
use crate::wire::{LENGTH, Prologue, REPLY};

/// How long a dial may take, from name lookup to authenticated link.
const PATIENCE: Duration = Duration::from_secs(10);

/// All that is needed to reach one target, as often as wanted.
#[derive(Clone)]
pub struct Dialer {
    host: String,
    port: u16,
    local: LocalKey,
    target: PublicKey,
    psk: Arc<Psk>,
    patience: Duration,
}

/// Why there is no link, by who is to blame.
#[derive(Clone, Debug, Error)]
pub enum DialError {
    /// No TCP connection: the name, the network, or nobody listening.
    #[error("cannot reach {address}: {why}")]
    Unreachable {
        /// The host and port dialled.
        address: String,
        /// What the system said.
        why: Arc<io::Error>,
    },
    /// The target shut the door without a word, which is all that strangers get.
    #[error(
        "the target at {address} closed the connection: it does not know this client's key, its own \
         key is not the pinned one, or too many call it at once"
    )]
    Closed {
        /// The host and port dialled.
        address: String,
    },
    /// Something answered, but not the owner of the pinned key.
    #[error("what answers at {address} is not the target whose key is pinned")]
    BadPeer {
        /// The host and port dialled.
        address: String,
    },
    /// Nothing came of it in time.
    #[error("{address} did not answer within {after:?}")]
    Timeout {
        /// The host and port dialled.
        address: String,
        /// How long it was waited for.
        after: Duration,
    },
}

/// Why a handshake over an open stream fails.
enum Failure {
    Closed,
    BadPeer,
}

impl Dialer {
    /// For the target at `host` (a name or an address) that holds the key `target`.
    #[must_use]
    pub fn new(
        host: impl Into<String>,
        port: u16,
        local: LocalKey,
        target: PublicKey,
        psk: Arc<Psk>,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            local,
            target,
            psk,
            patience: PATIENCE,
        }
    }

    /// The same target, by other keys of this client.
    #[must_use]
    pub fn with_keys(&self, local: LocalKey, psk: Arc<Psk>) -> Self {
        Self {
            local,
            psk,
            ..self.clone()
        }
    }

    /// The same target, by another key of its own.
    #[must_use]
    pub fn with_target(&self, target: PublicKey) -> Self {
        Self {
            target,
            ..self.clone()
        }
    }

    /// With another limit than 10 seconds on the whole of a dial.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Host and port, as errors show them.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects once and shakes hands.
    ///
    /// # Errors
    /// [`DialError`]; it is worth another try after `Unreachable` and `Timeout` only.
    pub async fn dial(&self) -> Result<Link, DialError> {
        let attempt = timeout(self.patience, self.attempt()).await;
        attempt.unwrap_or_else(|_| {
            Err(DialError::Timeout {
                address: self.address(),
                after: self.patience,
            })
        })
    }

    async fn attempt(&self) -> Result<Link, DialError> {
        let unreachable = |why| DialError::Unreachable {
            address: self.address(),
            why: Arc::new(why),
        };
        tracing::debug!("dialling {}", self.address());
        let stream = self.connect().await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let hello = Hello::new(&self.local, self.target, &self.psk, Prologue::CLIENT_RPC);
        let link = initiate(stream, hello).await.map_err(|failure| {
            let address = self.address();
            match failure {
                Failure::Closed => DialError::Closed { address },
                Failure::BadPeer => DialError::BadPeer { address },
            }
        })?;
        tracing::debug!("{} has proved its key", self.address());
        Ok(link)
    }

    /// Tries each address of the name. One that swallows packets does not use up the others' time.
    async fn connect(&self) -> io::Result<TcpStream> {
        let found = lookup_host((self.host.as_str(), self.port)).await?;
        let addresses: Vec<_> = found.collect();
        let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            tracing::trace!("connecting to {address}");
            match timeout(self.patience / tries, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed)
    }
}

/// Shakes hands over an open stream. The link is usable at once: its confirmation is on its way.
async fn initiate<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    hello: Hello,
) -> Result<Link<S>, Failure> {
    let (await_reply, hello) = hello.send().map_err(|_| Failure::BadPeer)?;
    stream
        .write_all(&hello)
        .await
        .map_err(|_| Failure::Closed)?;

    let mut reply = [0; REPLY];
    let mut got = 0;
    while got < REPLY {
        match stream.read(&mut reply[got..]).await {
            Ok(0) | Err(_) if got == 0 => return Err(Failure::Closed),
            Ok(0) | Err(_) => return Err(Failure::BadPeer),
            Ok(bytes) => got += bytes,
        }
    }
    let mut established = await_reply.read(&reply).map_err(|_| Failure::BadPeer)?;

    let mut record = [0; LENGTH + CONFIRM];
    record[LENGTH - 1] = u8::try_from(CONFIRM).expect("16 fits a byte");
    record[LENGTH..].copy_from_slice(&established.confirm());
    stream
        .write_all(&record)
        .await
        .map_err(|_| Failure::Closed)?;
    Ok(Link::new(stream, established, None))
}

#[cfg(test)]
mod tests {
    use hpt_keystore::SecretKey;

    use super::*;

    fn dialer(host: &str) -> Dialer {
        let local = LocalKey::new(SecretKey::generate());
        let target = local.public();
        Dialer::new(host, 6632, local, target, Arc::new(Psk::generate()))
    }

    #[test]
    fn addresses_read_as_people_write_them() {
        assert_eq!(dialer("web1").address(), "web1:6632");
        assert_eq!(dialer("10.0.0.5").address(), "10.0.0.5:6632");
        assert_eq!(dialer("2001:db8::1").address(), "[2001:db8::1]:6632");
    }

    #[tokio::test]
    async fn errors_say_where_and_why() {
        let error = dialer("no-such-host.invalid").dial().await.map(drop);
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with("cannot reach no-such-host.invalid:6632: "),
            "{text}"
        );
        let timeout = DialError::Timeout {
            address: "web1:6632".to_owned(),
            after: PATIENCE,
        };
        assert_eq!(timeout.to_string(), "web1:6632 did not answer within 10s");
    }
}
