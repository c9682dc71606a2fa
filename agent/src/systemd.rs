//! What systemd passes to a service and wants to hear from it. Without systemd all of it is silent.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The listening socket of a `.socket` unit, if there is one.
pub(crate) fn passed_socket() -> io::Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        return Err(io::Error::other("there is more than one"));
    }
    let Some(socket) = passed.take_tcp_listener(0)? else {
        return Ok(None);
    };
    if !rustix::net::sockopt::socket_acceptconn(&socket)? {
        return Err(io::Error::other("it does not listen"));
    }
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

/// The unit that this process runs in; empty if it is none.
pub(crate) fn own_unit() -> String {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let last = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let last = last.and_then(|path| path.rsplit('/').next());
    let unit = last.filter(|name| name.ends_with(".service") && !name.starts_with("user@"));
    unit.unwrap_or_default().to_owned()
}

/// Whether systemd starts this unit at boot, or the socket that starts it.
pub(crate) fn starts_at_boot(unit: &str) -> bool {
    let Some(name) = unit.strip_suffix(".service") else {
        return false;
    };
    let links = [unit.to_owned(), format!("{name}.socket")];
    let is_wanted = |dir: &str| {
        let folders = std::fs::read_dir(dir).into_iter().flatten().flatten();
        folders
            .map(|folder| folder.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "wants"))
            .any(|path| links.iter().any(|link| path.join(link).is_symlink()))
    };
    is_wanted("/etc/systemd/system") || is_wanted("/usr/lib/systemd/system")
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
