//! What the channel costs: handshakes a second, bytes a second, memory. Prints; asserts little.
//!
//! `cargo test --release -p hpt-transport --test figures -- --ignored --nocapture --test-threads 1`

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "figures for people to read"
)]

mod common;

use std::time::Instant;

use common::{Pair, captured_hellos, echo, lenient};
use hpt_transport::grpc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Both ends on two threads, 16 in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn handshakes() {
    const EACH: u32 = 500;
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(lenient());
    let accepting = tokio::spawn(async move {
        while let Some(link) = incoming.next().await {
            drop(link.unwrap());
        }
    });
    let begin = Instant::now();
    let mut dialling = JoinSet::new();
    for _ in 0..16 {
        let dialer = pair.dialer(at);
        dialling.spawn(async move {
            for _ in 0..EACH {
                drop(dialer.dial().await.unwrap());
            }
        });
    }
    dialling.join_all().await;
    let each = f64::from(16 * EACH) / begin.elapsed().as_secs_f64();
    println!("handshakes: {each:.0} a second, both ends");
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn bulk() {
    const TOTAL: usize = 2 << 30;
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(lenient());
    let mut ours = pair.dialer(at).dial().await.unwrap();
    let mut theirs = incoming.next().await.unwrap().unwrap();
    let begin = Instant::now();
    let writing = tokio::spawn(async move {
        let chunk = vec![7; 256 * 1024];
        for _ in 0..TOTAL / chunk.len() {
            ours.write_all(&chunk).await.unwrap();
        }
        ours.flush().await.unwrap();
        ours
    });
    let mut got = 0;
    let mut buffer = vec![0; 256 * 1024];
    while got < TOTAL {
        got += theirs.read(&mut buffer).await.unwrap();
    }
    let rate = TOTAL as f64 / begin.elapsed().as_secs_f64() / 1e6;
    drop(writing.await.unwrap());
    println!("bulk: {rate:.0} MB/s");

    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ours = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
    let (mut theirs, _) = tcp.accept().await.unwrap();
    let begin = Instant::now();
    let writing = tokio::spawn(async move {
        let chunk = vec![7; 256 * 1024];
        for _ in 0..TOTAL / chunk.len() {
            ours.write_all(&chunk).await.unwrap();
        }
        ours
    });
    let mut got = 0;
    while got < TOTAL {
        got += theirs.read(&mut buffer).await.unwrap();
    }
    let rate = TOTAL as f64 / begin.elapsed().as_secs_f64() / 1e6;
    drop(writing.await.unwrap());
    println!("bulk over plain TCP: {rate:.0} MB/s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn calls() {
    const CALLS: usize = 2000;
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let begin = Instant::now();
        echo(&channel, b"hello").await.unwrap();
        times.push(begin.elapsed());
    }
    times.sort();
    println!(
        "unary call: p50 {:?}, p99 {:?}",
        times[CALLS / 2],
        times[CALLS * 99 / 100]
    );

    let megabyte = vec![7; 1 << 20];
    let begin = Instant::now();
    for _ in 0..200 {
        echo(&channel, &megabyte).await.unwrap();
    }
    let rate = f64::from(2 * 200 * (1 << 20)) / begin.elapsed().as_secs_f64() / 1e6;
    println!("1 MiB echoes, one at a time: {rate:.0} MB/s both ways together");
}

/// H11: both ends are in this process, so each connection is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn idle_connections() {
    const CONNECTIONS: u64 = 500;
    let pair = Pair::new();
    let mut limits = lenient();
    limits.sessions.live = 10_000;
    let (at, mut incoming) = pair.listen(limits);
    let mut links = Vec::new();
    let before = resident();
    for _ in 0..CONNECTIONS {
        links.push(pair.dialer(at).dial().await.unwrap());
        links.push(incoming.next().await.unwrap().unwrap());
    }
    let each = (resident() - before) as f64 / (2 * CONNECTIONS) as f64;
    println!("idle link: {each:.1} KiB");
    drop(links);

    let (at, _serving) = pair.serve(limits);
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&channel, b"hello").await.unwrap();
    let mut links = Vec::new();
    let before = resident();
    for _ in 0..CONNECTIONS {
        // A bare link on this side, so that what is counted is the target's.
        let mut link = pair.dialer(at).dial().await.unwrap();
        link.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .unwrap();
        link.flush().await.unwrap();
        link.read_exact(&mut [0; 9]).await.unwrap();
        links.push(link);
    }
    let each = (resident() - before) as f64 / CONNECTIONS as f64;
    println!("idle gRPC connection: {each:.1} KiB on the target, with the caller's bare link");
}

/// H3: hellos that were answered and never confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn half_open() {
    const CONNECTIONS: usize = 5000;
    let pair = Pair::new();
    let mut limits = lenient();
    limits.half_open.total = 10_000;
    limits.half_open.reserved = 0;
    limits.half_open.per_source = 10_000;
    limits.half_open.lottery_from = 10_000;
    limits.deadline = std::time::Duration::from_mins(1);
    let (at, _incoming) = pair.listen(limits);
    let hellos = captured_hellos(&pair, CONNECTIONS).await;
    let mut streams = Vec::with_capacity(CONNECTIONS);
    let before = resident();
    for hello in hellos {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        stream.read_exact(&mut [0; 48]).await.unwrap();
        streams.push(stream);
    }
    let each = (resident() - before) as f64 / CONNECTIONS as f64;
    println!("half-open connection: {each:.1} KiB, with the caller's socket");
}
