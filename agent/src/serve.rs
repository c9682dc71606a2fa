//! A server: made whole or not at all, then listening until it is told to stop.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::{Passphrase, PassphraseError};
use hpt_proto::wire::target_server::TargetServer;
use hpt_provisioner::PORT;
use hpt_transport::grpc::{self, MAX_MESSAGE};
use hpt_transport::{Limits, bind, listen_and_tell};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::audit::{Audit, Entry, Kind};
use crate::gate::Gate;
use crate::guard::Guardian;
use crate::notes::{Notes, Writer};
use crate::pins::Pins;
use crate::resume::resume;
use crate::runner::Runner;
use crate::service::TargetService;
use crate::state::StateError;
use crate::{Places, systemd};

/// How long calls may go on after the server was told to stop. Runs have processes of their own.
const GRACE: Duration = Duration::from_secs(5);
/// Serving is waiting; two threads do.
const WORKERS: usize = 2;
/// Calls that may block at once.
const BLOCKING: usize = 32;

/// What a server is made from.
pub struct Options {
    /// The target's keystore.
    pub keystore: PathBuf,
    /// What opens its own keys, if they are sealed.
    pub passphrase: Option<Passphrase>,
    /// The host.
    pub places: Places,
    /// How runs are started.
    pub runner: Runner,
    /// Tells the time, in unix seconds.
    pub clock: fn() -> u64,
    /// What strangers and keys may ask.
    pub limits: Limits,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The keystore cannot be used.
    #[error(transparent)]
    Keystore(#[from] PassphraseError),
    /// hpt has no place of its own here.
    #[error(transparent)]
    State(#[from] StateError),
    /// The port cannot be had.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        why: io::Error,
    },
    /// The socket that systemd passed is not one to listen on.
    #[error("cannot use the socket that systemd passed: {0}")]
    Passed(io::Error),
    /// The system refuses threads or signals.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// The server ended by itself.
    #[error("the server broke off: {0}")]
    Broken(#[from] tonic::transport::Error),
}

/// A target that is ready to listen.
pub struct Server {
    pins: Arc<Pins>,
    service: TargetService,
    notes: Arc<Notes>,
    writer: Writer,
    places: Places,
    runner: Runner,
    limits: Limits,
}

impl Server {
    /// Reads the keystore and makes the places of hpt.
    ///
    /// # Errors
    /// [`ServeError`], before anything listens.
    pub fn new(options: Options) -> Result<Self, ServeError> {
        let Options {
            keystore,
            passphrase,
            places,
            runner,
            clock,
            limits,
        } = options;
        let pins = Arc::new(Pins::load(&keystore, passphrase, clock())?);
        let (notes, writer) = Notes::new(Audit::open(&places)?, clock);
        let started = Entry::new(notes.now(), Kind::Served);
        notes.add(started.with("version", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            service: TargetService::new(
                places.clone(),
                runner.clone(),
                Arc::clone(&notes),
                Arc::clone(&pins),
            )?,
            places,
            runner,
            notes,
            writer,
            pins,
            limits,
        })
    }

    /// Serves until `stop`, then gives calls 5 s to end. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the server breaks off by itself.
    pub async fn run(
        self,
        tcp: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        // Before anybody could be told that it broke off, or undo it.
        resume(&self.places, &self.runner, self.notes.now()).await;
        // What was armed before the host was booted, or hpt started anew.
        let guardian = Guardian::of(self.runner, systemd::own_unit());
        let watching = guardian.watch_always(self.places);
        let notes = Arc::clone(&self.notes);
        let tell = Arc::new(move |who| notes.turned_away(who));
        let own = self.pins.own().local();
        let incoming = listen_and_tell(tcp, own, self.pins.allow(), self.limits, tell);
        let service = self.service.clone();
        let target = TargetServer::new(self.service)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let gate = Gate::new(target, Arc::clone(&self.pins), Arc::clone(&self.notes));
        let (stopped, mut stopping) = watch::channel(());
        let mut late = stopped.subscribe();
        let serving = grpc::server().serve_with_incoming_shutdown(gate, incoming, async move {
            let _ = stopping.changed().await;
        });
        let too_late = async {
            let _ = late.changed().await;
            tokio::time::sleep(GRACE).await;
        };
        let told_to_stop = async {
            stop.await;
            stopped.send_replace(());
            service.stop();
            std::future::pending::<()>().await;
        };
        let mut writer = self.writer;
        let ended = tokio::select! {
            served = serving => served.map_err(ServeError::Broken),
            () = too_late => Ok(()),
            () = self.pins.follow(self.notes) => Ok(()),
            () = writer.follow() => Ok(()),
            () = told_to_stop => Ok(()),
            () = watching => Ok(()),
        };
        writer.finish().await;
        ended
    }
}

/// All of `hpt serve`: listens on `address`, or on the socket that systemd passed, or on
/// `[::]:6632`, until SIGTERM or SIGINT. Tells systemd when it is ready, alive, and stopping.
///
/// # Errors
/// [`ServeError`].
pub fn serve(options: Options, address: Option<SocketAddr>) -> Result<(), ServeError> {
    let addresses = crate::run::Site::new(options.places.clone())
        .facts()
        .addresses;
    let server = Server::new(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let ended = runtime.block_on(async {
        let tcp = open(address)?;
        let local = tcp.local_addr().map_err(ServeError::Passed)?;
        tracing::info!("listening on {local}");
        if let Some(public) = public_address(local, &addresses) {
            tracing::warn!("{public} is a public address: everyone can reach this port");
        }
        let mut term = signal(SignalKind::terminate()).map_err(ServeError::Start)?;
        let mut int = signal(SignalKind::interrupt()).map_err(ServeError::Start)?;
        systemd::ready();
        tokio::spawn(systemd::keep_watchdog_calm());
        let stop = async {
            tokio::select! { _ = term.recv() => (), _ = int.recv() => () }
            systemd::stopping();
        };
        server.run(tcp, stop).await
    });
    runtime.shutdown_timeout(GRACE); // a call that blocks had its time
    ended
}

/// The port: an address that was asked for comes first.
fn open(address: Option<SocketAddr>) -> Result<TcpListener, ServeError> {
    let bind = |address| bind(address).map_err(|why| ServeError::Listen { address, why });
    if let Some(address) = address {
        return bind(address);
    }
    if let Some(passed) = systemd::passed_socket().map_err(ServeError::Passed)? {
        return TcpListener::from_std(passed).map_err(ServeError::Passed);
    }
    let (v6, v4) = (Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into());
    bind(SocketAddr::new(v6, PORT)).or_else(|error| match error {
        // A host without IPv6.
        ServeError::Listen { why, .. } if why.kind() != io::ErrorKind::AddrInUse => {
            bind(SocketAddr::new(v4, PORT))
        }
        error => Err(error),
    })
}

/// An address of this listener that the whole world may reach. `own` are those of the host.
fn public_address(local: SocketAddr, own: &[String]) -> Option<IpAddr> {
    let own = own.iter().filter_map(|address| address.parse().ok());
    let listening = |ip: &IpAddr| {
        local.ip() == *ip || (local.ip().is_unspecified() && (ip.is_ipv4() || local.is_ipv6()))
    };
    std::iter::once(local.ip())
        .chain(own)
        .find(|ip| listening(ip) && is_public(*ip))
}

fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b); // carrier-grade NAT, RFC 6598
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || shared)
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000, // 2000::/3, all that is global
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(listening: &str, own: &[&str]) -> Option<String> {
        let own: Vec<_> = own.iter().map(|&address| address.to_owned()).collect();
        public_address(listening.parse().unwrap(), &own).map(|ip| ip.to_string())
    }

    #[test]
    fn a_public_address_is_noticed() {
        assert_eq!(
            public("[::]:6632", &["10.0.0.5", "8.8.8.8"]).as_deref(),
            Some("8.8.8.8")
        );
        assert_eq!(
            public("[::]:6632", &["2a00::1"]).as_deref(),
            Some("2a00::1")
        );
        assert_eq!(public("8.8.4.4:6632", &[]).as_deref(), Some("8.8.4.4"));
        for (listening, own) in [
            (
                "[::]:6632",
                &[
                    "10.0.0.5",
                    "192.168.1.2",
                    "100.64.0.1",
                    "fd00::1",
                    "169.254.0.1",
                ][..],
            ),
            ("127.0.0.1:6632", &["8.8.8.8"]),
            ("0.0.0.0:6632", &["2a00::1"]),
            ("10.0.0.5:6632", &["10.0.0.5", "8.8.8.8"]),
        ] {
            assert_eq!(public(listening, own), None, "{listening} {own:?}");
        }
    }
}
