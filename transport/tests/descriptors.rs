//! A target that runs out of file descriptors waits, and comes back by itself (C1).
//!
//! It has to wait for two seconds, or for a minute with `HPT_LONG`.

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]
#![allow(
    clippy::print_stdout,
    reason = "one process tells the other, and the figure is worth a line"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use common::{Pair, captured_hellos, is_long, is_target, lenient, target_process};
use hpt_keystore::SecretKey;
use hpt_transport::LocalKey;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;

const DESCRIPTORS: u64 = 64;
const CALLERS: usize = 500;

/// It takes half a second on an idle machine.
const LONG: Duration = Duration::from_secs(10);

/// Both processes know these keys; they guard nothing.
fn keys() -> Pair {
    let key = |byte| LocalKey::new(SecretKey::from_bytes([byte; 32].into()));
    let mut pair = Pair::new();
    (pair.target, pair.client, pair.psk) = (key(1), key(2), [3; 32]);
    pair.allow
        .replace(vec![common::pin(pair.client.public(), pair.psk)]);
    pair
}

/// The process that runs out of descriptors.
fn target() {
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut limits = lenient();
        limits.deadline = Duration::from_hours(1);
        limits.half_open.total = 10_000;
        limits.half_open.per_source = 10_000;
        limits.half_open.lottery_from = 9_000;
        let (at, mut incoming) = keys().listen(limits);
        println!("\nport {}", at.port());
        let mut links = Vec::new();
        while let Some(link) = incoming.next().await {
            links.push(link.unwrap());
        }
    });
}

/// Ends the child with the test, however that goes.
struct Target(Child);

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Target {
    fn start() -> (Self, SocketAddr) {
        let mut child = target_process("running_out_of_descriptors_is_survived")
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let port = stdout
            .lines()
            .find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok())
            .expect("the target says its port");
        (Self(child), SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// CPU time used so far, of a process all of whose threads are counted.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
        let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    fn descriptors(&self) -> usize {
        let listed = std::fs::read_dir(format!("/proc/{}/fd", self.0.id()));
        listed.unwrap().count()
    }
}

#[test]
fn running_out_of_descriptors_is_survived() {
    if is_target() {
        return target();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run_out());
}

async fn run_out() {
    let hellos = captured_hellos(&keys(), CALLERS).await;
    let (target, at) = Target::start();
    let mut callers = Vec::new();
    for hello in hellos {
        let mut caller = TcpStream::connect(at).await.unwrap();
        // A hello keeps its place until the deadline, also under load.
        caller.write_all(&hello).await.unwrap();
        callers.push(caller);
    }
    sleep(Duration::from_millis(500)).await;
    let most = usize::try_from(DESCRIPTORS).unwrap();
    assert!(target.descriptors() >= most - 2, "it has run out");

    let (begin, before) = (Instant::now(), target.cpu().as_secs_f64());
    sleep(Duration::from_secs(if is_long() { 60 } else { 2 })).await;
    let share = (target.cpu().as_secs_f64() - before) / begin.elapsed().as_secs_f64();
    println!("{share:.4} of a CPU while it waits");
    assert!(share < 0.05, "{share} of a CPU while it waits");
    assert!(target.descriptors() >= most - 2, "it is still out");

    drop(callers);
    let begin = Instant::now();
    let dialer = keys().dialer(at);
    while begin.elapsed() < LONG {
        let Ok(mut link) = dialer.dial().await else {
            continue;
        };
        // The other side keeps the link only if it had a descriptor for it.
        let closed = timeout(Duration::from_millis(50), link.read(&mut [0; 1])).await;
        if closed.is_err() {
            println!("somebody gets in after {:.1?}", begin.elapsed());
            return;
        }
    }
    panic!("nobody gets in after descriptors were freed");
}
