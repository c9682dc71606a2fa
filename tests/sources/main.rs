//! Sources that the workstation fetches: from a bucket, by https and from a repository, all on loopback.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod base;
mod bucket;
mod directory;
mod https;
mod repository;
#[path = "../serving/mod.rs"]
mod serving;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Answers every request alike, and tells what was asked for.
fn http(answer: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let reader = BufReader::new(stream.try_clone().unwrap());
            let head: Vec<_> = reader
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let _ = stream.write_all(answer.as_bytes());
            let _ = tell.send(head.join("\n"));
        }
    });
    (port, told)
}
