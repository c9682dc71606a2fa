//! A client that is let in and then abuses HTTP/2 harms nobody else (C2).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::time::Duration;

use common::{Pair, echo, lenient};
use hpt_transport::{Link, grpc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ENHANCE_YOUR_CALM: u32 = 11;

/// How many attacks come at once.
const BURST: u32 = 32;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The reason of the GOAWAY among these frames.
fn last_words(mut frames: &[u8]) -> Option<u32> {
    while let Some(([a, b, c, kind, _flags, _stream @ ..], rest)) = frames.split_first_chunk::<9>()
    {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).unwrap())?;
        if *kind == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        frames = rest;
    }
    None
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Sends `attack(n)` until the target has had enough of it or all is sent, with another client
/// watching the clock.
async fn abuse(attack: impl Fn(u32) -> Vec<u8> + Send + 'static, count: u32) -> Option<u32> {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let other = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&other, b"before").await.unwrap();
    let before = resident();

    let mut link: Link = pair.dialer(at).dial().await.unwrap();
    let attacking = tokio::spawn(async move {
        link.write_all(PREFACE).await.unwrap();
        link.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        let (mut from, mut to) = tokio::io::split(link);
        let reading = tokio::spawn(async move {
            let mut said = Vec::new();
            // However it ends, the last words are what matters.
            let _ = from.read_to_end(&mut said).await;
            said
        });
        for n in 0..count {
            if to.write_all(&attack(n)).await.is_err() || reading.is_finished() {
                break;
            }
            if n % BURST == 0 {
                let _ = to.flush().await;
                sleep(Duration::from_millis(1)).await;
            }
        }
        let closed = timeout(Duration::from_secs(10), reading).await;
        let said = closed.expect("the target ends the connection").unwrap();
        last_words(&said)
    });
    let mut slowest = Duration::ZERO;
    while !attacking.is_finished() {
        let begin = Instant::now();
        assert_eq!(echo(&other, b"during").await.unwrap(), b"during");
        slowest = slowest.max(begin.elapsed());
    }
    let why = attacking.await.unwrap();
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    echo(&other, b"after").await.unwrap();
    why
}

/// As `abuse`, until the target's last words did not drown in a reset of the connection: they show
/// that it was the abuse that it took offence at.
async fn calmed(attack: impl Fn(u32) -> Vec<u8> + Copy + Send + 'static, count: u32) {
    for _ in 0..20 {
        match abuse(attack, count).await {
            None => {}
            Some(why) => return assert_eq!(why, ENHANCE_YOUR_CALM),
        }
    }
    panic!("the target never said why");
}

/// `GET http /`, each pair of bytes an entry of HPACK's static table.
const REQUEST: &[u8] = &[0x82, 0x86, 0x84];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_the_connection() {
    let attack = |n| {
        let stream = 2 * n + 1;
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST);
        both.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        both
    };
    calmed(attack, 200_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_headers_end_the_connection() {
    let attack = |n| {
        // A literal header without indexing: name "a", value of 100 bytes.
        let mut header = vec![0, 1, b'a', 100];
        header.extend([b'v'; 100]);
        let header = header.repeat(100);
        match n {
            0 => frame(HEADERS, 0, 1, REQUEST),
            _ => frame(CONTINUATION, 0, 1, &header),
        }
    };
    calmed(attack, 20_000).await;
}
