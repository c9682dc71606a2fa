//! The way to a user's own systemd: a bridge to that user's bus, which the host's systemd starts as
//! that user. hpt becomes nobody, and opens nothing that a user could have put in the bus's place.

use std::fmt::Display;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use zbus::connection::Builder;
use zbus::{Connection, Fd, OwnedObjectPath, Variant};

use super::spot::stat_outside;
use super::systemd::{ANSWER, Systemd};
use crate::host::HostError;
use crate::name::{UnitId, UserName};

/// systemd's own, as `systemctl --machine=NAME@` uses it.
const BRIDGE: &str = "/usr/bin/systemd-stdio-bridge";

/// A bridge that nobody needs any more ends by itself; this ends one that does not.
const LONGEST: Duration = Duration::from_hours(1);

/// A bus says hello at once.
const HELLO: Duration = Duration::from_secs(10);

/// A setting of a new unit, by its name.
type Property<'a> = (&'a str, Variant<'a>);

/// A user's systemd is there by then, or does not come.
const STARTING: Duration = Duration::from_secs(10);

/// Connects to the bus of a user whose systemd runs, or comes up.
pub(super) fn connect(host: &Systemd, user: &UserName, uid: u32) -> Result<Connection, HostError> {
    wait(host, uid)?;
    let bus = format!("/run/user/{uid}/bus");
    if stat_outside(Path::new(&bus)).is_none() {
        return Err(HostError::Refused(format!(
            "the systemd of {user} cannot be asked: there is no {bus}; the package dbus-user-session makes one, once user@{uid}.service is restarted"
        )));
    }
    if stat_outside(Path::new(BRIDGE)).is_none() {
        return Err(HostError::Refused(format!(
            "the systemd of {user} cannot be asked: there is no {BRIDGE} on this host"
        )));
    }
    let failed = |why: &dyn Display| {
        HostError::Refused(format!("the systemd of {user} cannot be asked: {why}"))
    };
    let (ours, theirs) = UnixStream::pair().map_err(|e| failed(&e))?;
    start(host, user, uid, &bus, &theirs)?;
    // From here on its end is the bridge's alone, so that ours ends with it.
    drop(theirs);
    greet(ours, HELLO).map_err(|e| failed(&e))
}

/// Waits for a systemd that comes up: whoever has a user linger does not.
fn wait(host: &Systemd, uid: u32) -> Result<(), HostError> {
    let manager = UnitId::manager(uid).name;
    let begun = Instant::now();
    while let Some(state) = host.state(&manager)?
        && state.active() == "activating"
        && begun.elapsed() < STARTING
    {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Starts the bridge in a unit of its own, which goes when it has ended.
fn start(
    host: &Systemd,
    user: &UserName,
    uid: u32,
    bus: &str,
    end: &UnixStream,
) -> Result<(), HostError> {
    let id = getrandom::u64()
        .map_err(|e| HostError::Refused(format!("cannot name a unit at random: {e}")))?;
    let name = format!("hpt-bridge-{uid}-{id:016x}.service");
    let longest = u64::try_from(LONGEST.as_micros()).expect("an hour is short");
    let argv = vec![BRIDGE.to_owned(), format!("--bus-path=unix:path={bus}")];
    let properties: Vec<Property<'_>> = vec![
        (
            "Description",
            format!("hpt asks the systemd of {user}").into(),
        ),
        ("Type", "exec".into()),
        ("User", uid.to_string().into()),
        ("CollectMode", "inactive-or-failed".into()),
        ("RuntimeMaxUSec", longest.into()),
        ("StandardInputFileDescriptor", Fd::from(end.as_fd()).into()),
        ("StandardOutputFileDescriptor", Fd::from(end.as_fd()).into()),
        ("ExecStart", vec![(BRIDGE.to_owned(), argv, false)].into()),
    ];
    let others: Vec<(&str, Vec<Property<'_>>)> = Vec::new();
    let body = (name.as_str(), "fail", properties, others);
    let _job: OwnedObjectPath = host.call(&name, "StartTransientUnit", &body)?;
    Ok(())
}

/// Authenticates and says hello; whoever does not answer is hung up on.
fn greet(stream: UnixStream, time: Duration) -> Result<Connection, zbus::Error> {
    let line = stream.try_clone()?;
    let (done, over) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if over.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                let _ = line.shutdown(Shutdown::Both);
            }
        });
        let bus = Builder::unix_stream(stream).method_timeout(ANSWER).build();
        let bus = zbus::block_on(bus);
        drop(done);
        bus
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_is_hung_up_on() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(greet(ours, Duration::from_millis(50)).is_err());
        drop(theirs);
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(greet(ours, Duration::from_hours(1)).is_err());
    }
}
