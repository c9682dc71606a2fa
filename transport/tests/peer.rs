//! 1,000 sessions with a peer in Python that was written from WIRE.md alone, in both roles.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "this test runs Python, and says so when there is none"
)]
#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Pair, lenient, pin, psk_of};
use hpt_keystore::{PublicKey, SecretKey};
use hpt_transport::{AllowList, LocalKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;

const SESSIONS: usize = 500;
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer");

/// A Python that has the libraries of the peer, or a word on what is missing.
fn python() -> Result<PathBuf, String> {
    let wanted = Path::new(HOME).join("requirements.txt");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer");
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.txt");
    if std::fs::read(&stamp).ok() == std::fs::read(&wanted).ok() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .map_err(|why| format!("python3 with venv (apt install python3-venv): {why}"))?;
    let pip = ["-m", "pip", "install", "--quiet", "--requirement"];
    run(Command::new(&python).args(pip).arg(&wanted))
        .map_err(|why| format!("the packages of {} (needs PyPI): {why}", wanted.display()))?;
    std::fs::copy(&wanted, &stamp).unwrap();
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed").to_owned())
}

/// Starts the peer, unless it cannot run here and nobody insists.
fn peer(role: &[&str], keys: [[u8; 32]; 3]) -> Option<Child> {
    let python = match python() {
        Ok(python) => python,
        Err(missing) => {
            let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
            assert!(!insists, "missing: {missing}");
            eprintln!("skipped, for want of {missing}");
            return None;
        }
    };
    let mut child = Command::new(python)
        .arg(Path::new(HOME).join("peer.py"))
        .args(role)
        .arg(SESSIONS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for key in keys {
        for byte in key {
            write!(stdin, "{byte:02x}").unwrap();
        }
        writeln!(stdin).unwrap();
    }
    Some(child)
}

/// A key pair that the peer is to hold, and the bytes to tell it.
fn foreign() -> ([u8; 32], PublicKey) {
    let secret = SecretKey::generate();
    (*secret.expose(), secret.public())
}

fn finishes(mut child: Child, mut stdout: impl BufRead) {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, format!("sessions {SESSIONS}\n"));
    assert!(child.wait().unwrap().success());
}

/// One test, so that one virtual environment is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_from_the_page_alone() {
    as_client().await;
    as_server().await;
}

async fn as_client() {
    let mut pair = Pair::new();
    let (secret, public) = foreign();
    pair.allow = AllowList::new(vec![pin(public, pair.psk)]);
    let (at, mut incoming) = pair.listen(lenient());
    let serving = tokio::spawn(async move {
        let mut served = 0;
        while let Some(link) = incoming.next().await {
            let mut link = link.unwrap();
            assert_eq!(link.peer(), public);
            served += 1;
            tokio::spawn(async move {
                let mut bytes = [0; 5000];
                loop {
                    match link.read(&mut bytes).await.unwrap() {
                        0 => break,
                        n => link.write_all(&bytes[..n]).await.unwrap(),
                    }
                    link.flush().await.unwrap();
                }
            });
            if served == SESSIONS {
                break;
            }
        }
        served
    });
    let port = at.port().to_string();
    let keys = [secret, *pair.target.public().as_bytes(), pair.psk];
    let Some(mut child) = peer(&["client", "127.0.0.1", &port], keys) else {
        return;
    };
    let stdout = BufReader::new(child.stdout.take().unwrap());
    tokio::task::spawn_blocking(|| finishes(child, stdout))
        .await
        .unwrap();
    assert_eq!(serving.await.unwrap(), SESSIONS);
}

async fn as_server() {
    let pair = Pair::new();
    let (secret, public) = foreign();
    let keys = [secret, *pair.client.public().as_bytes(), pair.psk];
    let Some(mut child) = peer(&["server"], keys) else {
        return;
    };
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut port = String::new();
    stdout.read_line(&mut port).unwrap();
    let at = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
    let dialer = hpt_transport::Dialer::new(
        "127.0.0.1",
        at.port(),
        LocalKey::clone(&pair.client),
        public,
        psk_of(pair.psk).into(),
    );
    for session in 0..SESSIONS {
        let mut link = dialer.dial().await.unwrap();
        assert_eq!(link.peer(), public);
        for size in [1, 40_000, session] {
            let said: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            link.write_all(&said).await.unwrap();
            link.flush().await.unwrap();
            let mut got = vec![0; size];
            link.read_exact(&mut got).await.unwrap();
            assert_eq!(got, said, "session {session}, {size} bytes");
        }
        link.shutdown().await.unwrap();
    }
    finishes(child, stdout);
}
