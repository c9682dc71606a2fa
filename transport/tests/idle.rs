//! A session in which no call runs comes to an end, and one in which a call runs does not (C2).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::time::Duration;

use common::{Pair, echo, echoes, lenient};
use hpt_transport::{Limits, grpc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

/// Long enough for a busy machine to make a call in it.
const IDLE: Duration = Duration::from_secs(1);

/// Long enough for it to close what it means to close.
const LONG: Duration = Duration::from_secs(10);

fn impatient() -> Limits {
    Limits {
        idle: IDLE,
        ..lenient()
    }
}

#[test]
fn a_quarter_of_an_hour_is_the_limit() {
    assert_eq!(Limits::default().idle, Duration::from_mins(15));
}

/// Whatever it sends below HTTP/2's calls: here a byte of a preface at a time.
#[tokio::test]
async fn a_session_without_a_call_ends() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(impatient());
    let begin = Instant::now();
    let mut link = pair.dialer(at).dial().await.unwrap();
    let alive = async {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
            link.write_all(&[*byte]).await.unwrap();
            link.flush().await.unwrap();
        }
        let mut said = Vec::new();
        // However it ends.
        let _ = link.read_to_end(&mut said).await;
    };
    timeout(LONG, alive).await.expect("the target ends it");
    assert!(begin.elapsed() >= IDLE, "{:?}", begin.elapsed());
}

/// A channel does not notice: its next call is made in a new session.
#[tokio::test]
async fn a_channel_begins_anew() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(impatient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    let mut sessions = vec![echo(&channel, b"session").await.unwrap()];
    let began = Instant::now();
    while sessions.len() < 3 {
        assert!(began.elapsed() < LONG, "no session ends");
        sleep(IDLE * 2).await;
        // It may meet the end of the session that it was made in.
        if let Ok(session) = echo(&channel, b"session").await
            && sessions.last() != Some(&session)
        {
            sessions.push(session);
        }
    }
}

/// A call that waits, and one whose answer streams, keep a session for as long as they run.
#[tokio::test]
async fn a_running_call_is_not_cut() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(impatient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { echo(&channel, b"wait").await })
    };
    sleep(IDLE * 2).await;
    assert!(!waiting.is_finished(), "it was cut");
    let session = echo(&channel, b"session").await.unwrap();

    let mut beats = echoes(&channel, b"beat").await.unwrap();
    waiting.abort();
    let begin = Instant::now();
    while begin.elapsed() < IDLE * 2 {
        let beat = timeout(LONG, beats.message()).await.unwrap();
        assert_eq!(beat.unwrap().unwrap(), b"beat");
    }
    assert_eq!(echo(&channel, b"session").await.unwrap(), session);
    drop(beats);
}
