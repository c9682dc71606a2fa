//! H14, H15: nobody but root can look into a running hpt, a crash leaves no core, swap no key.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod serving;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};
use serving::{HPT, Place};

#[test]
fn a_client_that_waits_cannot_be_looked_into() {
    let place = Place::new();
    let silent = TcpListener::bind(("127.0.0.1", place.port)).unwrap();
    let client = Running::start(&place, &["--target", "web1", "status"]);
    // Its keys are in its memory by the time that it connects.
    let _connection = silent.accept().unwrap();
    client.assert_closed();
}

#[test]
fn a_server_cannot_be_looked_into() {
    let place = Place::new();
    let port = place.port.to_string();
    let server = Running::start(
        &place,
        &[
            "serve",
            "--keystore",
            "web1.keystore",
            "--root",
            "root",
            "--state",
            "state",
            "--listen",
            "127.0.0.1",
            "--port",
            &port,
        ],
    );
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", place.port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody serves");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.assert_closed();
}

/// H14: all memory of a server is locked where it may be, and where not it serves all the same.
#[test]
fn a_server_keeps_its_keys_out_of_swap() {
    let able = capabilities(None)
        .unwrap()
        .effective
        .contains(CapabilitySet::IPC_LOCK);
    let place = Place::serving();
    place.web1(&["status"]).exits(0);
    let status = fs::read_to_string(format!("/proc/{}/status", place.server_id())).unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:"));
    let kib: u64 = locked
        .unwrap()
        .split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(kib > 0, able, "{status}");
}

/// An hpt of a user who is not almighty, ended with the test.
struct Running(Child);

impl Running {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut command = without_capabilities(HPT);
        command.args(args).current_dir(place.path(""));
        command
            .env("HPT_KEYSTORE", "client.db")
            .env("HOME", place.path(""));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn assert_closed(&self) {
        let pid = self.0.id();
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<_> = core.unwrap().split_ascii_whitespace().collect();
        assert_eq!(words[4..], ["0", "0", "bytes"]);

        for file in ["environ", "maps", "mem"] {
            assert!(!can_open(pid, file), "/proc/PID/{file} of hpt");
        }
        // The same look at an ordinary process succeeds, so it is hpt that prevents it. (At `mem`
        // it need not: a kernel may keep all processes from that.)
        let ordinary = Self(without_capabilities("sleep").arg("60").spawn().unwrap());
        let began = Instant::now();
        while !(can_open(ordinary.0.id(), "environ") && can_open(ordinary.0.id(), "maps")) {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "nobody can be looked into"
            );
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether another process of the same user can open this file of a process.
fn can_open(pid: u32, file: &str) -> bool {
    let mut look = without_capabilities("head");
    look.args(["--bytes=0", &format!("/proc/{pid}/{file}")])
        .stderr(Stdio::null());
    look.status().unwrap().success()
}

/// A program as the user who runs the test, without what makes root more than a user.
fn without_capabilities(program: &str) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        program,
    ]);
    command
}
