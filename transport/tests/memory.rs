//! The private key lies in one place of a serving target's memory, and in none once it is dropped
//! (H14).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]
#![allow(clippy::print_stdout, reason = "one process tells the other")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::Child;

use common::{Pair, echo, is_target, lenient, target_process};
use hpt_keystore::SecretKey;
use hpt_transport::grpc;

/// The process that is looked into.
fn target() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pair = Pair::new();
        let (at, serving) = pair.serve(lenient());
        for _ in 0..20 {
            let channel = grpc::connect(pair.dialer(at)).await.unwrap();
            echo(&channel, b"hello").await.unwrap();
        }
        println!("\npublic {}", hex(pair.target.public().as_bytes()));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        drop(serving);
        drop(pair);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        println!("dropped");
        std::io::stdin().read_line(&mut line).unwrap();
    });
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// All that a process may write to: its heap, its stacks, its variables.
fn memory(child: &Child) -> Vec<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap();
    let mem = File::open(format!("/proc/{}/mem", child.id())).unwrap();
    let mut all = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if mem.read_exact_at(&mut bytes, from).is_ok() {
            all.push(bytes);
        }
    }
    all
}

/// The private key of `public`, if it lies in `memory` at a place that is aligned as the heap is.
fn find(memory: &[Vec<u8>], public: &str) -> Option<[u8; 32]> {
    let aligned = memory.iter().flat_map(|part| part.windows(32).step_by(16));
    aligned.into_iter().find_map(|window| {
        let mut seen = [false; 256];
        let distinct = |byte: &&u8| !std::mem::replace(&mut seen[usize::from(**byte)], true);
        if window.iter().filter(distinct).count() < 22 {
            return None; // too regular to be a key
        }
        let candidate: [u8; 32] = window.try_into().unwrap();
        let key = SecretKey::from_bytes(candidate.into());
        (hex(key.public().as_bytes()) == public).then_some(candidate)
    })
}

/// Clamping changes the ends of a key, so its middle is what a copy is known by.
fn copies(memory: &[Vec<u8>], key: &[u8; 32]) -> usize {
    let middle = &key[1..31];
    let hits = |part: &Vec<u8>| part.windows(30).filter(|window| *window == middle).count();
    memory.iter().map(hits).sum()
}

#[test]
fn a_private_key_lies_in_one_place() {
    if is_target() {
        return target();
    }
    let mut child = target_process("a_private_key_lies_in_one_place")
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let public = lines
        .find_map(|line| Some(line.unwrap().strip_prefix("public ")?.to_owned()))
        .unwrap();

    let serving = memory(&child);
    let key = find(&serving, &public).expect("it serves with it");
    let while_serving = copies(&serving, &key);
    drop(serving);
    writeln!(stdin).unwrap();
    assert!(lines.any(|line| line.unwrap() == "dropped"));
    let after = copies(&memory(&child), &key);
    writeln!(stdin).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!((while_serving, after), (1, 0));
}
