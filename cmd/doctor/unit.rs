//! The units of `hpt serve`, as systemd has them, and the sockets of its process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What systemd knows of one unit.
#[derive(Default)]
pub(super) struct Unit {
    properties: BTreeMap<String, String>,
}

/// The service, and the socket that may start it.
pub(super) struct Units {
    pub(super) service: Unit,
    pub(super) socket: Unit,
}

impl Unit {
    /// One block of what `systemctl show` prints.
    fn of(block: &str) -> Self {
        let lines = block.lines().filter_map(|line| line.split_once('='));
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            properties: lines.map(own).collect(),
        }
    }

    fn get(&self, key: &str) -> &str {
        self.properties.get(key).map_or("", String::as_str)
    }

    pub(super) fn is_there(&self) -> bool {
        self.get("LoadState") == "loaded"
    }

    pub(super) fn starts_at_boot(&self) -> bool {
        self.get("UnitFileState") == "enabled"
    }

    pub(super) fn is_active(&self) -> bool {
        self.get("ActiveState") == "active"
    }

    /// Such as "failed", "inactive", "activating".
    pub(super) fn state(&self) -> &str {
        self.get("ActiveState")
    }

    /// Where a socket listens, such as `[::]:6632 (Stream)`.
    pub(super) fn listens(&self) -> &str {
        self.get("Listen")
    }

    /// The main process of a service that runs.
    pub(super) fn process(&self) -> Option<u32> {
        self.get("MainPID").parse().ok().filter(|pid| *pid != 0)
    }
}

impl Units {
    /// `None` where no systemd runs the machine.
    #[allow(
        clippy::disallowed_methods,
        reason = "a program of the system, with fixed arguments and no shell"
    )]
    pub(super) fn ask() -> Option<Self> {
        if !Path::new("/run/systemd/system").is_dir() {
            return None;
        }
        let properties = "--property=LoadState,UnitFileState,ActiveState,MainPID,Listen";
        let output = Command::new("systemctl")
            .args([
                "show",
                "--no-pager",
                properties,
                "hpt.service",
                "hpt.socket",
            ])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut blocks = text.split("\n\n");
        Some(Self {
            service: Unit::of(blocks.next()?),
            socket: Unit::of(blocks.next()?),
        })
    }

    pub(super) fn start_at_boot(&self) -> bool {
        self.service.starts_at_boot() || self.socket.starts_at_boot()
    }
}

/// The program that a process executes, and whether that file has been replaced or removed since.
pub(super) fn program(pid: u32) -> Option<(PathBuf, bool)> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let text = path.to_str()?;
    Some(match text.strip_suffix(" (deleted)") {
        Some(path) => (path.into(), true),
        None => (path, false),
    })
}

/// The TCP ports that a process listens on, by the kernel's list of sockets and its open files.
pub(super) fn ports(pid: u32) -> Vec<u16> {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let links = open
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    let sockets: Vec<String> = links
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let mut ports: Vec<u16> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(listening)
        .filter(|(_, inode)| sockets.iter().any(|socket| socket == inode))
        .map(|(port, _)| port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The port and the inode of a line of the kernel's list, if it is a socket that listens.
fn listening(line: &str) -> Option<(u16, &str)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (*fields.get(3)? == "0A").then_some((port, *fields.get(9)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_sockets_and_its_program() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(ports(std::process::id()).contains(&port));
        drop(socket);
        assert!(!ports(std::process::id()).contains(&port));
        let (path, is_replaced) = program(std::process::id()).unwrap();
        assert_eq!(
            (path, is_replaced),
            (std::env::current_exe().unwrap(), false)
        );
    }

    #[test]
    fn a_unit_is_as_systemd_shows_it() {
        let shown = "MainPID=12\nLoadState=loaded\nActiveState=active\n\
                     UnitFileState=enabled";
        let unit = Unit::of(shown);
        assert!(unit.is_there() && unit.is_active() && unit.starts_at_boot());
        assert_eq!(unit.process(), Some(12));
        let none = "MainPID=0\nLoadState=not-found\nActiveState=inactive\n";
        let unit = Unit::of(none);
        assert!(!unit.is_there() && !unit.is_active() && unit.process().is_none());
    }
}
