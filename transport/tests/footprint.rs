//! What a connection costs a target in memory: half-open (H3), and authenticated and idle (H11).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]
#![allow(clippy::print_stdout, reason = "the figures are worth a line")]

mod common;

use std::time::Duration;

use common::{Pair, allow_files, captured_hellos, echo, lenient};
use hpt_transport::grpc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HALF_OPEN: usize = 5000;
const IDLE: usize = 500;

const KIB: usize = 1024;

/// One test, since both parts measure the memory of this process, and nothing is freed that the next
/// could use. What the callers keep is counted as well: the target's part is smaller still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_small() {
    allow_files(2 * u64::try_from(HALF_OPEN).unwrap() + 500);
    let (idle, _sessions) = idle().await;
    println!("{idle} bytes for each idle gRPC connection");
    assert!(idle <= 48 * KIB, "{idle} bytes");
    let (half_open, _crowd) = half_open().await;
    println!("{half_open} bytes for each half-open connection");
    assert!(half_open <= 8 * KIB, "{half_open} bytes");
}

/// Sessions that have come as far as HTTP/2's settings.
async fn idle() -> (usize, impl Sized) {
    let pair = Pair::new();
    let mut limits = lenient();
    limits.sessions.live = 2 * IDLE;
    let (at, serving) = pair.serve(limits);
    // What is made once for all is made now.
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&channel, b"hello").await.unwrap();
    let mut links = Vec::with_capacity(IDLE);
    let before = resident();
    for _ in 0..IDLE {
        let mut link = pair.dialer(at).dial().await.unwrap();
        link.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .unwrap();
        link.flush().await.unwrap();
        link.read_exact(&mut [0; 9]).await.unwrap();
        links.push(link);
    }
    let each = (resident() - before) / IDLE;
    (each, (serving, channel, links))
}

/// Hellos that were answered and never confirmed.
async fn half_open() -> (usize, impl Sized) {
    let pair = Pair::new();
    let mut limits = lenient();
    limits.half_open.total = 2 * HALF_OPEN;
    limits.half_open.reserved = 0;
    limits.half_open.per_source = 2 * HALF_OPEN;
    limits.half_open.lottery_from = 2 * HALF_OPEN;
    limits.deadline = Duration::from_hours(1);
    let (at, incoming) = pair.listen(limits);
    let hellos = captured_hellos(&pair, HALF_OPEN).await;
    let mut streams = Vec::with_capacity(HALF_OPEN);
    let before = resident();
    for hello in hellos {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        stream.read_exact(&mut [0; 48]).await.unwrap();
        streams.push(stream);
    }
    let each = (resident() - before) / HALF_OPEN;
    (each, (incoming, streams))
}

/// Memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
