//! What a target does to strangers, floods and replays, over real sockets (H1, H4-H7, C2, C3, R2).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::time::Duration;

use common::{Pair, answer, captured_hellos, connect_from, lenient};
use hpt_keystore::SecretKey;
use hpt_transport::{DialError, Limits, LinkError, LocalKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;

/// Enough to see that a connection stays open.
const SOON: Duration = Duration::from_millis(200);

/// Enough for a busy machine to close one that it means to close.
const LONG: Duration = Duration::from_secs(3);

/// H1: another version closes the connection, and nothing is sent.
#[tokio::test]
async fn all_other_versions_meet_silence() {
    let pair = Pair::new();
    let (at, _incoming) = pair.listen(lenient());
    let [mut hello] = *captured_hellos(&pair, 1).await else {
        panic!("one was asked for")
    };
    for version in (0..=255).filter(|version| *version != hpt_transport::VERSION) {
        hello[0] = version;
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        assert_eq!(answer(&mut stream, LONG).await, Some(vec![]), "{version}");
    }
    hello[0] = hpt_transport::VERSION;
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    assert_eq!(stream.read_exact(&mut [0; 48]).await.unwrap(), 48);
}

/// Strangers get no byte: not for junk, not for another protocol, not for an unpinned key.
#[tokio::test]
async fn strangers_meet_silence() {
    let pair = Pair::new();
    let (at, _incoming) = pair.listen(lenient());
    let stranger = Pair {
        client: LocalKey::new(SecretKey::generate()),
        target: pair.target.clone(),
        ..Pair::new()
    };
    let unpinned = captured_hellos(&stranger, 1).await[0].to_vec();
    let wrong_target = captured_hellos(&Pair::new(), 1).await[0].to_vec();
    let http = b"GET / HTTP/1.1\r\nHost: target\r\n\r\n".repeat(4);
    for said in [unpinned, wrong_target, http, vec![0; 113], vec![1; 4096]] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&said).await.unwrap();
        assert_eq!(answer(&mut stream, LONG).await, Some(vec![]));
    }
    let refused = pair.dialer_as(&stranger.client, at).dial().await;
    let error = refused.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn whoever_answers_with_another_key_is_to_blame() {
    let pair = Pair::new();
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialer = pair.dialer(other.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        stream
            .write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n")
            .await
            .unwrap();
        stream.write_all(&[0; 64]).await.unwrap();
        sleep(SOON).await;
    });
    let error = dialer.dial().await.map(drop).unwrap_err();
    assert!(matches!(error, DialError::BadPeer { .. }), "{error}");
    answering.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let pair = Pair::new();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = gone.local_addr().unwrap();
    drop(gone);
    let error = pair.dialer(at).dial().await.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_target_that_keeps_silent_is_given_up() {
    let pair = Pair::new();
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialer = pair.dialer(deaf.local_addr().unwrap()).patience(SOON);
    let error = dialer.dial().await.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Timeout { .. }), "{error}");
}

/// H4: trickling bytes buys no time, before the hello nor after it.
#[tokio::test]
async fn dripping_does_not_move_the_deadline() {
    let pair = Pair::new();
    let (at, _incoming) = pair.listen(lenient());
    let hellos = captured_hellos(&pair, 24).await;
    let mut drips = JoinSet::new();
    for (n, hello) in hellos.into_iter().enumerate() {
        drips.spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let begin = Instant::now();
            if n % 2 == 0 {
                stream.write_all(&hello).await.unwrap();
                stream.read_exact(&mut [0; 48]).await.unwrap();
            }
            let (mut from, mut to) = stream.into_split();
            let drip = tokio::spawn(async move {
                while to.write_all(&[1]).await.is_ok() {
                    sleep(Duration::from_millis(400)).await;
                }
            });
            let mut rest = Vec::new();
            let _ = from.read_to_end(&mut rest).await; // a reset closes as well
            drip.abort();
            assert_eq!(rest, []);
            begin.elapsed()
        });
    }
    while let Some(closed) = drips.join_next().await {
        let after = closed.unwrap();
        // On an idle machine within 5.5 s; a byte every 400 ms would have kept it open for a minute.
        let expected = Duration::from_millis(4900)..Duration::from_secs(10);
        assert!(expected.contains(&after), "{after:?}");
    }
}

/// H7: a replayed hello is answered, since nobody can tell, and comes to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_replays_open_no_session() {
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(lenient());
    let hellos = captured_hellos(&pair, 10_000).await;
    let mut replays = JoinSet::new();
    for part in hellos.chunks(1250) {
        let part = part.to_vec();
        replays.spawn(async move {
            for hello in part {
                let mut stream = TcpStream::connect(at).await.unwrap();
                stream.write_all(&hello).await.unwrap();
                stream.read_exact(&mut [0; 48]).await.unwrap();
                // The best that a replayer can do about the confirmation is to guess.
                stream.write_all(&[0; 18]).await.unwrap();
                assert_eq!(answer(&mut stream, LONG).await, Some(vec![]));
            }
        });
    }
    replays.join_all().await;
    let session = timeout(SOON, incoming.next()).await;
    assert!(session.is_err(), "no link came out of it");
    pair.dialer(at).dial().await.unwrap();
    let link = incoming.next().await.unwrap().unwrap();
    assert_eq!(link.peer(), pair.client.public());
}

/// A hello that was answered once is not answered again, and holds no place.
#[tokio::test]
async fn a_replay_of_the_same_hello_meets_silence() {
    let pair = Pair::new();
    let (at, _incoming) = pair.listen(lenient());
    let hello = captured_hellos(&pair, 1).await[0];
    for replayed in [false, true, true] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        if replayed {
            assert_eq!(answer(&mut stream, LONG).await, Some(vec![]));
        } else {
            stream.read_exact(&mut [0; 48]).await.unwrap();
        }
    }
}

/// H5: one source holds 16 places, and no more.
#[tokio::test]
async fn one_source_cannot_fill_the_door() {
    let pair = Pair::new();
    let (at, _incoming) = pair.listen(Limits::default());
    let mut streams = Vec::new();
    for _ in 0..30 {
        streams.push(connect_from(7, at).await);
    }
    let mut open = 0;
    for stream in &mut streams {
        let still = answer(stream, Duration::from_millis(20)).await.is_none();
        open += usize::from(still);
    }
    assert_eq!(open, 16);
    pair.dialer(at).dial().await.unwrap();
}

/// H5: under load, who does not know the target's key goes after 250 ms; who does gets in.
#[tokio::test]
async fn a_crowd_of_strangers_makes_room() {
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(Limits::default());
    let mut crowd = JoinSet::new();
    for n in 0..96 {
        let mut stream = connect_from(10 + n, at).await;
        crowd.spawn(async move {
            let begin = Instant::now();
            let said = answer(&mut stream, Duration::from_secs(4)).await;
            assert_eq!(said, Some(vec![]), "it was closed before the deadline");
            begin.elapsed()
        });
    }
    let begin = Instant::now();
    pair.dialer(at).dial().await.unwrap();
    incoming.next().await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
    while let Some(after) = crowd.join_next().await {
        let after = after.unwrap();
        assert!(after < Duration::from_secs(2), "{after:?}");
    }
}

/// C3: who fails three times is shut out for a while; others are not.
#[tokio::test]
async fn a_source_that_keeps_failing_is_shut_out() {
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(Limits::default());
    let fail = |host| async move {
        let mut stream = connect_from(host, at).await;
        stream.write_all(&[1; 113]).await.unwrap();
        assert_eq!(answer(&mut stream, LONG).await, Some(vec![]));
    };
    for _ in 0..3 {
        fail(9).await;
    }
    let mut shut_out = connect_from(9, at).await;
    assert_eq!(answer(&mut shut_out, LONG).await, Some(vec![]));
    let mut other = connect_from(8, at).await;
    assert_eq!(answer(&mut other, SOON).await, None, "it may go on");

    // A source with a live session is exempt; without one it is not.
    let live = pair.dialer(at).dial().await.unwrap();
    let at_target = incoming.next().await.unwrap().unwrap();
    for _ in 0..3 {
        fail(1).await;
    }
    drop(pair.dialer(at).dial().await.unwrap());
    drop(incoming.next().await.unwrap().unwrap());
    drop((live, at_target));
    let error = pair.dialer(at).dial().await.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
}

/// C2: a key holds 64 sessions; one more is closed, and room is made when one ends.
#[tokio::test]
async fn a_key_holds_sixty_four_sessions() {
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(Limits::default());
    let mut links = Vec::new();
    for _ in 0..64 {
        let ours = pair.dialer(at).dial().await.unwrap();
        let theirs = incoming.next().await.unwrap().unwrap();
        links.push((ours, theirs));
    }
    let mut refused = pair.dialer(at).dial().await.unwrap();
    let end = timeout(LONG, refused.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "the target closed it");
    links.pop();
    sleep(SOON).await;
    pair.dialer(at).dial().await.unwrap();
    timeout(LONG, incoming.next()).await.unwrap();
}

/// R2: a removed pin closes its sessions, on both ends, and its key is a stranger from then on.
#[tokio::test]
async fn a_removed_pin_closes_its_sessions() {
    let pair = Pair::new();
    let (at, mut incoming) = pair.listen(lenient());
    let mut ours = pair.dialer(at).dial().await.unwrap();
    let mut theirs = incoming.next().await.unwrap().unwrap();
    ours.write_all(b"still here").await.unwrap();
    ours.flush().await.unwrap();
    theirs.read_exact(&mut [0; 10]).await.unwrap();

    // Read by one task and written by another, as a relay would.
    let (mut reads, mut writes) = tokio::io::split(theirs);
    let reading = tokio::spawn(async move { reads.read(&mut [0; 1]).await });
    sleep(SOON).await;
    writes.write_all(b"yes").await.unwrap();
    writes.flush().await.unwrap();
    ours.read_exact(&mut [0; 3]).await.unwrap();

    let begin = Instant::now();
    pair.allow.replace(vec![]);
    let end = timeout(LONG, reading).await.unwrap().unwrap().unwrap_err();
    assert_eq!(
        end.downcast::<LinkError>().unwrap(),
        LinkError::Revoked,
        "the target knows why"
    );
    writes.write_all(b"no").await.unwrap_err();
    drop(writes);
    assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(begin.elapsed() < Duration::from_secs(2));
    let error = pair.dialer(at).dial().await.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
}
