//! 5,000 strangers at the door of a real `hpt serve`: each is soon gone, and the operator gets in (H4, H5).

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::print_stdout, reason = "the figures are worth a line")]

mod serving;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serving::Place;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const STRANGERS: u16 = 5000;
const STATUSES: usize = 50;

/// What hpt promises: five seconds, and what the machine takes to close.
const LIFE: Duration = Duration::from_millis(5500);
const STATUS: Duration = Duration::from_secs(1);
/// What a busy machine may add without a test failing.
const SLACK: Duration = Duration::from_secs(5);

/// A third each: says nothing, says junk, says a byte a second.
#[derive(Clone, Copy)]
struct Stranger(u16);

impl Stranger {
    /// From an address of its own, so that being shut out for what another did spares nobody.
    async fn connect(self, at: SocketAddr) -> Option<TcpStream> {
        let [a, b] = self.0.to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 9, a, b], 0))).unwrap();
        let connected = timeout(LIFE, socket.connect(at)).await;
        connected.ok()?.ok()
    }

    /// Holds on for as long as it is let; the target must not say a word.
    async fn lives(self, mut stream: TcpStream) -> Duration {
        let begin = Instant::now();
        if self.0 % 3 == 1 {
            let [_, byte] = self.0.to_be_bytes();
            // The other end may be gone already: here, and below.
            let _ = stream.write_all(&vec![byte; usize::from(self.0)]).await;
        }
        let mut answer = [0];
        loop {
            tokio::select! {
                read = stream.read(&mut answer) => {
                    assert!(matches!(read, Ok(0) | Err(_)), "a stranger was answered");
                    return begin.elapsed();
                }
                () = sleep(Duration::from_secs(1)), if self.0 % 3 == 2 => {
                    let _ = stream.write_all(&[1]).await;
                }
            }
        }
    }
}

/// So many sockets are open here at once.
fn allow_sockets() {
    let wanted = u64::from(STRANGERS) + 500;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        setrlimit(Resource::Nofile, raised)
            .unwrap_or_else(|why| panic!("{wanted} files must be allowed (ulimit -Hn): {why}"));
    }
}

#[test]
fn five_thousand_strangers_keep_nobody_out() {
    allow_sockets();
    let place = Place::serving();
    let at = SocketAddr::from(([127, 0, 0, 1], place.port));
    place.web1(&["status"]).exits(0);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let arrived = Arc::new(AtomicU16::new(0));
    let strangers = (0..STRANGERS).map(Stranger).map(|stranger| {
        let (over, arrived) = (Arc::clone(&over), Arc::clone(&arrived));
        async move {
            let mut lives = Vec::new();
            while lives.is_empty() || !over.load(Ordering::Relaxed) {
                if let Some(stream) = stranger.connect(at).await {
                    if lives.is_empty() {
                        arrived.fetch_add(1, Ordering::Relaxed);
                    }
                    lives.push(stranger.lives(stream).await);
                }
            }
            lives
        }
    });
    let flood = {
        let _here = runtime.enter();
        strangers.collect::<JoinSet<_>>()
    };

    let mut statuses = Vec::new();
    while statuses.len() < STATUSES || arrived.load(Ordering::Relaxed) < STRANGERS {
        let begin = Instant::now();
        place.web1(&["status"]).exits(0);
        statuses.push(begin.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    let lives: Vec<_> = runtime.block_on(flood.join_all()).concat();

    let (slowest, longest) = (statuses.iter().max().unwrap(), lives.iter().max().unwrap());
    println!(
        "{} visits of {STRANGERS} strangers, the longest {longest:.1?}; {} statuses, the slowest {slowest:.2?}",
        lives.len(),
        statuses.len(),
    );
    assert!(*longest < LIFE + SLACK, "a stranger stayed {longest:?}");
    assert!(*slowest < STATUS + SLACK, "a status took {slowest:?}");
}
