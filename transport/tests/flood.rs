//! A client gets in while strangers flood the door, and penalties never bite (H5).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]
#![allow(clippy::print_stdout, reason = "the figure is worth a line")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Pair, answer};
use hpt_transport::{Limits, Penalties};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;

const SILENT: u64 = 2000;
const LOGINS: usize = 100;

/// One of 200 addresses that are not the client's.
async fn attack(at: SocketAddr, n: u64) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    let host = u8::try_from(n % 200).unwrap();
    socket
        .bind(SocketAddr::from(([127, 9, 0, host], 0)))
        .unwrap();
    socket.connect(at).await.ok()
}

/// As if the attacker had a new address for each connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_in_during_a_flood() {
    let limits = Limits {
        penalties: Penalties::OFF,
        ..Limits::default()
    };
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(limits);
    let taking = tokio::spawn(async move {
        while let Some(link) = incoming.next().await {
            drop(link.unwrap());
        }
    });
    let junk = Arc::new(AtomicU64::new(0));
    let mut flood = JoinSet::new();
    for n in 0..SILENT {
        flood.spawn(async move {
            loop {
                if let Some(mut stream) = attack(at, n).await {
                    answer(&mut stream, Duration::from_secs(10)).await;
                }
                sleep(Duration::from_millis(500 + n % 500)).await;
            }
        });
    }
    for n in 0..8 {
        let sent = Arc::clone(&junk);
        flood.spawn(async move {
            for n in (n..).step_by(8) {
                if let Some(mut stream) = attack(at, n).await {
                    let _ = stream.write_all(&[1; 113]).await;
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                tokio::task::yield_now().await;
            }
        });
    }
    sleep(Duration::from_secs(1)).await;

    let begin = Instant::now();
    let mut logins = Vec::new();
    for _ in 0..LOGINS {
        let begin = Instant::now();
        while pair.dialer(at).dial().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        logins.push(begin.elapsed());
    }
    let rate = junk.load(Ordering::Relaxed) / begin.elapsed().as_secs().max(1);
    flood.shutdown().await;
    logins.sort();
    println!(
        "{SILENT} silent, {rate} junk hellos a second: the slowest login took {:?}",
        logins[99]
    );
    assert!(logins[98] < Duration::from_secs(2), "{:?}", &logins[90..]);

    // And once the flood has gone, the door is as it was.
    let calm = timeout(Duration::from_secs(1), pair.dialer(at).dial()).await;
    calm.unwrap().unwrap();
    taking.abort();
}
