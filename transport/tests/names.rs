//! Nothing that names a session, or that an observer sees of its beginning, comes twice (H13).
//!
//! 2,000 handshakes, or 100,000 with `HPT_LONG`.

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::collections::HashSet;
use std::net::SocketAddr;

use common::{Pair, is_long, lenient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

/// What an observer sees of a handshake.
struct Seen {
    hello: [u8; 113],
    reply: [u8; 48],
    confirm: [u8; 18],
}

impl Seen {
    /// Both ephemeral keys and the first ciphertext.
    fn marks(&self) -> [&[u8]; 3] {
        [&self.hello[1..33], &self.reply[..32], &self.confirm[2..]]
    }
}

/// Passes handshakes on, one at a time, and tells what it saw.
async fn tap(target: SocketAddr) -> (SocketAddr, mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (telling, told) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut target = TcpStream::connect(target).await.unwrap();
            let (mut hello, mut reply, mut confirm) = ([0; 113], [0; 48], [0; 18]);
            client.read_exact(&mut hello).await.unwrap();
            target.write_all(&hello).await.unwrap();
            target.read_exact(&mut reply).await.unwrap();
            client.write_all(&reply).await.unwrap();
            client.read_exact(&mut confirm).await.unwrap();
            target.write_all(&confirm).await.unwrap();
            let seen = Seen {
                hello,
                reply,
                confirm,
            };
            if telling.send(seen).await.is_err() {
                return;
            }
        }
    });
    (at, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_twice() {
    let count = if is_long() { 100_000 } else { 2_000 };
    let pair = Pair::new();
    let (target, mut incoming) = pair.listen(lenient());
    let (at, mut seen) = tap(target).await;
    let dialer = pair.dialer(at);
    let mut marks = HashSet::new();
    for session in 0..count {
        let ours = dialer.dial().await.unwrap();
        let theirs = incoming.next().await.unwrap().unwrap();
        assert_eq!(ours.handshake_hash(), theirs.handshake_hash());
        assert!(marks.insert(ours.handshake_hash().to_vec()), "{session}");
        for mark in seen.recv().await.unwrap().marks() {
            assert!(marks.insert(mark.to_vec()), "handshake {session}");
        }
    }
    assert_eq!(marks.len(), 4 * count);
}
