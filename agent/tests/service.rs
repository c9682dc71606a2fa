//! `hpt serve` as systemd runs it: ready, alive, stopping; its socket; its size when idle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "these tests are about a process")]

mod common;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{TestClient, connect, keystore, scratch};
use hpt_proto::wire;
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hpt-agent-test-runner");

/// A process that does not outlive its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hear(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let got = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..got].to_vec())
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn it_tells_systemd_when_it_is_ready_alive_and_stopping() {
    let dir = scratch();
    keystore(dir.path(), &[]);
    let socket = dir.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("serve").arg(dir.path()).arg("127.0.0.1:0");
    command
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "200000");
    let mut server = Server(command.spawn().unwrap());

    assert_eq!(hear(&manager), "READY=1");
    let ready = Instant::now();
    for _ in 0..3 {
        assert_eq!(hear(&manager), "WATCHDOG=1");
    }
    assert!(
        ready.elapsed() < Duration::from_millis(600),
        "systemd would have killed it"
    );
    let pid = Pid::from_child(&server.0);
    kill_process(pid, Signal::TERM).unwrap();
    while hear(&manager) != "STOPPING=1" {}
    assert!(server.0.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_over_the_socket_of_a_socket_unit() {
    let (dir, laptop) = (scratch(), TestClient::new("laptop"));
    let target = keystore(dir.path(), &[laptop.pin("status")]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // As systemd passes it: descriptor 3, and the process it is meant for.
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
        "sh",
    ]);
    command
        .args([PROGRAM, "serve"])
        .arg(dir.path())
        .stdin(Stdio::from(OwnedFd::from(socket)));
    let _server = Server(command.spawn().unwrap());

    let mut client = connect(&laptop, target, address).await;
    let status = client
        .status(wire::StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
}

/// At most 8 MiB in all is the figure of a release build; the code of a debug build alone is more,
/// so what is asked here is what it has made for itself.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_small_when_idle() {
    let (dir, laptop) = (scratch(), TestClient::new("laptop"));
    let target = keystore(dir.path(), &[laptop.pin("status")]);
    let address = free_port();
    let mut command = Command::new(PROGRAM);
    command
        .arg("serve")
        .arg(dir.path())
        .arg(address.to_string());
    let server = Server(command.spawn().unwrap());
    let listening = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(
            listening.elapsed() < Duration::from_secs(10),
            "it does not listen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let fresh = own_memory(server.0.id());
    let mut client = connect(&laptop, target, address).await;
    for _ in 0..100 {
        client.status(wire::StatusRequest {}).await.unwrap();
    }
    let used = own_memory(server.0.id());
    println!("its own memory: {fresh} KiB when it listens, {used} KiB after 100 calls");
    assert!(used < 4 * 1024, "{used} KiB");
}

#[test]
fn without_a_keystore_it_says_so_and_ends() {
    let dir = scratch();
    let output = Command::new(PROGRAM)
        .arg("serve")
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("keystore.db") && words.lines().count() == 1,
        "{words}"
    );
    assert!(!dir.path().join("state").exists(), "it left nothing behind");
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Resident memory of a process that is no file's, in KiB.
fn own_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
