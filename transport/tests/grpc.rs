//! gRPC on a link: calls, who is calling, reconnects, cuts and limits (C2, H12, R2).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Pair, echo, lenient, pin};
use hpt_keystore::SecretKey;
use hpt_transport::grpc::{self, MAX_MESSAGE};
use hpt_transport::{DialError, LocalKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tonic::Code;

#[tokio::test]
async fn a_call_goes_through_and_names_its_caller() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    assert_eq!(echo(&channel, b"hello").await.unwrap(), b"hello");
    let megabyte = vec![7; 1 << 20];
    assert!(echo(&channel, &megabyte).await.unwrap() == megabyte);
    let who = echo(&channel, b"who").await.unwrap();
    assert_eq!(who, pair.client.public().as_bytes());
}

#[tokio::test]
async fn a_stranger_only_sees_the_door_close() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let stranger = LocalKey::new(SecretKey::generate());
    let refused = grpc::connect(pair.dialer_as(&stranger, at)).await;
    let error = refused.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
}

/// A channel outlives its connection: the next call dials and shakes hands again.
#[tokio::test]
async fn a_channel_reconnects_with_a_new_handshake() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    let first = echo(&channel, b"session").await.unwrap();
    assert_eq!(echo(&channel, b"session").await.unwrap(), first);

    pair.allow.replace(vec![]);
    let waiting = timeout(Duration::from_secs(2), echo(&channel, b"wait")).await;
    assert!(waiting.unwrap().is_err(), "its pin is gone");
    let status = echo(&channel, b"session").await.unwrap_err();
    let error = grpc::dial_error(&status);
    assert!(
        matches!(error, Some(DialError::Closed { .. })),
        "{status:?}"
    );

    let pins = vec![pin(pair.client.public(), pair.psk)];
    pair.allow.replace(pins);
    let second = echo(&channel, b"session").await.unwrap();
    assert_ne!(first, second);
}

/// R2: a call that is under way when the pin goes is cut within two seconds.
#[tokio::test]
async fn a_removed_pin_cuts_running_calls() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&channel, b"hello").await.unwrap();
    let running = tokio::spawn(async move { echo(&channel, b"wait").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    pair.allow.replace(vec![]);
    running.await.unwrap().unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(2));
}

/// C2: a message of more than 4 MiB is refused, and the connection lives on.
#[tokio::test]
async fn a_message_has_a_limit() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    let status = echo(&channel, &vec![0; MAX_MESSAGE]).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert_eq!(echo(&channel, b"small").await.unwrap(), b"small");
}

/// C2: 32 calls at once on one connection; more wait their turn.
#[tokio::test]
async fn a_connection_has_thirty_two_streams() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&channel, b"settings have come").await.unwrap();
    let mut waiting: Vec<_> = (0..32)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { echo(&channel, b"wait").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let turn = timeout(Duration::from_millis(200), echo(&channel, b"my turn")).await;
    assert!(turn.is_err(), "all 32 streams are taken");
    waiting.pop().unwrap().abort();
    let turn = timeout(Duration::from_secs(2), echo(&channel, b"my turn")).await;
    assert_eq!(turn.unwrap().unwrap(), b"my turn");
}

/// Passes the client's bytes on, and of the target's the reply and so many whole records.
async fn cut_after(records: usize, target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let target = TcpStream::connect(target).await.unwrap();
        let (mut from_target, mut to_target) = target.into_split();
        let up = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_client, &mut to_target).await;
        });
        let mut reply = [0; 48];
        from_target.read_exact(&mut reply).await.unwrap();
        to_client.write_all(&reply).await.unwrap();
        for _ in 0..records {
            let Ok(length) = from_target.read_u16().await else {
                break;
            };
            let mut record = vec![0; usize::from(length)];
            from_target.read_exact(&mut record).await.unwrap();
            to_client.write_u16(length).await.unwrap();
            to_client.write_all(&record).await.unwrap();
        }
        up.abort();
    });
    at
}

/// H12: an answer that is cut between two records is never taken for a success.
#[tokio::test]
async fn a_cut_between_records_is_a_failure() {
    let pair = Pair::new();
    let (target, _serving) = pair.serve(lenient());
    let message = vec![7; 100_000];
    let (mut failures, mut whole) = (0, None);
    for records in 0..64 {
        let at = cut_after(records, target).await;
        let attempt = async {
            let channel = grpc::connect(pair.dialer(at)).await.ok()?;
            echo(&channel, &message).await.ok()
        };
        match timeout(Duration::from_secs(5), attempt).await.unwrap() {
            None => failures += 1,
            Some(answer) => {
                assert!(answer == message);
                whole = Some(records);
                break;
            }
        }
    }
    assert_eq!(
        whole,
        Some(failures),
        "each cut before the last record failed"
    );
    assert!(failures >= 7, "100 kB are seven records");
}
