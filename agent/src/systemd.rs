//! What systemd passes to a service and wants to hear from it. Without systemd all of it is silent.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use sd_notify::NotifyState;

/// The listening socket of a `.socket` unit, if there is one.
pub(crate) fn passed_socket() -> io::Result<Option<TcpListener>> {
    let mut passed = sd_notify::listen_fds()?;
    let Some(fd) = passed.next() else {
        return Ok(None);
    };
    if passed.next().is_some() {
        return Err(io::Error::other("there is more than one"));
    }
    // To take a number for a descriptor is unsafe; a duplicate of it is ours without doubt.
    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket: OwnedFd = pidfd_getfd(me, fd, PidfdGetfdFlags::empty())?;
    if !rustix::net::sockopt::socket_acceptconn(&socket)? {
        return Err(io::Error::other("it does not listen"));
    }
    let socket = TcpListener::from(socket);
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

/// The port is open.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The server was told to stop.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the runtime is alive, twice as often as must be; never returns if anyone wants it.
pub(crate) async fn keep_watchdog_calm() {
    let Some(most) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval(most / 2);
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd {state:?}: {error}");
    }
}
