//! J1, J4: a run that is killed, or that the disk fails, at any of its system calls tells the truth
//! about itself, tears nothing, and the next run finishes it.
//!
//! CI takes a seeded sample. By hand, `HPT_KILLS=all` takes every call of every config and
//! of 60 more that are put together,
//! `HPT_KILLS=CASE` those of one, and `HPT_KILLS_SEED` another sample.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(unreachable_pub, reason = "the modules of one test")]

mod cases;
mod disk;
mod host;
mod judge;
mod power;
mod record;
mod strace;
mod trace;
mod tree;

use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use cases::{CASES, Case, DOUBT, OTHER};
use host::Host;
use judge::Reference;
use strace::Call;

/// Calls that CI kills at, and calls that it lets fail.
const KILLS: usize = 2000;
const FAILURES: usize = 400;

/// Configs that are put together for `HPT_KILLS=all`.
const MIXES: usize = 60;

const ERRORS: [(&str, &str); 4] = [
    ("ENOSPC", "No space left on device"),
    ("EIO", "Input/output error"),
    ("EROFS", "Read-only file system"),
    ("EDQUOT", "Disk quota exceeded"),
];

/// J1: done, in doubt and not started are right wherever a run is killed.
#[test]
fn a_run_that_is_killed_tells_the_truth() {
    let points = |calls: Vec<Call>| -> Vec<_> {
        let every = choice().is_some();
        let calls = calls.into_iter().filter(|call| every || call.matters());
        calls.map(|call| (call, ())).collect()
    };
    try_all(KILLS, points, |host, reference, call, ()| {
        let ran = strace::killed(host, call);
        if ran.signal != Some(9) {
            return Ok(false); // it makes one such call less this time
        }
        reference.judge_killed(host, &ran).map(|()| true)
    });
}

/// J1: what one run has left in doubt stays so, wherever the next one is killed.
#[test]
fn what_is_in_doubt_stays_so() {
    if !is_usable() {
        return;
    }
    let host = Host::new(&DOUBT);
    let doubt = || {
        host.reset();
        let ran = host.provision(&[]);
        assert_eq!(ran.signal, Some(9), "{}", ran.said);
        host.age();
        host.write_config(OTHER);
    };
    doubt();
    let calls = strace::calls(&host).into_iter();
    for call in calls.filter(Call::matters) {
        doubt();
        strace::killed(&host, &call);
        host.write_config(DOUBT.blocks);
        let next = host.provision(&[]);
        assert_eq!(next.code, Some(10), "{}: {}", call.line, next.said);
    }
}

/// The removal of an entry aside. One that a disk refuses leaves it to the next run that changes
/// something in that directory; the run has done all else.
fn sweeps(call: &Call) -> bool {
    call.name.starts_with("unlink") && call.line.contains("\".hpt-")
}

/// J4: a call that a full, failing or read-only disk refuses ends in words that name it.
#[test]
fn a_run_that_the_disk_fails_tells_the_truth() {
    let points = |calls: Vec<Call>| -> Vec<_> {
        let calls = calls.into_iter().filter(Call::is_refusable);
        let calls = calls.filter(|call| !sweeps(call));
        let each = |call: Call| ERRORS.map(|error| (call.clone(), error));
        calls.flat_map(each).collect()
    };
    try_all(
        FAILURES,
        points,
        |host, reference, call, &(errno, words)| {
            let ran = strace::failed(host, call, errno);
            let judged = reference.judge_failed(host, &ran, words);
            judged
                .map(|()| true)
                .map_err(|why| format!("{errno}: {why}"))
        },
    );
}

/// Tries points of all cases, or a sample of so many.
#[allow(clippy::print_stdout, reason = "says what was tried")]
fn try_all<P: Send>(
    sample: usize,
    points: impl Fn(Vec<Call>) -> Vec<(Call, P)> + Sync,
    test: impl Fn(&Host<'_>, &Reference, &Call, &P) -> Result<bool, String> + Sync,
) {
    if !is_usable() {
        return;
    }
    let began = Instant::now();
    let chosen = choice();
    let cases = cases();
    let (queue, wrong, counts) = (
        Mutex::new(cases.iter()),
        Mutex::new(Vec::new()),
        Mutex::new((0, 0, 0)),
    );
    let work = || {
        while let Some(case) = { queue.lock().unwrap().next() } {
            let host = Host::new(case);
            let reference = Reference::of(&host);
            host.reset();
            let mut all = points(strace::calls(&host));
            let there = all.len();
            if chosen.is_none() {
                all = some_of(all, sample.div_ceil(cases.len()), random(seed(), case.name));
            }
            let (mut tried, mut bad) = (0, Vec::new());
            for (call, point) in &all {
                host.reset();
                match test(&host, &reference, call, point) {
                    Ok(happened) => tried += usize::from(happened),
                    Err(why) => bad.push(format!(
                        "{}, {} {}: {}\n{why}\n",
                        case.name, call.name, call.nth, call.line
                    )),
                }
            }
            println!(
                "{}: {tried} of {there} points, {} wrong",
                case.name,
                bad.len()
            );
            let mut counts = counts.lock().unwrap();
            *counts = (
                counts.0 + tried + bad.len(),
                counts.1 + there,
                counts.2 + all.len(),
            );
            wrong.lock().unwrap().append(&mut bad);
        }
    };
    std::thread::scope(|scope| {
        // A good part of the time of each goes by in waiting for leftovers to be old enough.
        let cores: usize = std::thread::available_parallelism().map_or(2, Into::into);
        for _ in 0..cores * 2 {
            scope.spawn(work);
        }
    });
    let (tried, there, chosen) = counts.into_inner().unwrap();
    println!(
        "{tried} of {there} points in {} s, seed {}",
        began.elapsed().as_secs(),
        seed()
    );
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        tried * 20 >= chosen * 19,
        "only {tried} of {chosen} came about"
    );
}

fn choice() -> Option<String> {
    std::env::var("HPT_KILLS").ok()
}

/// The configs of CI, all with many more, or one.
fn cases() -> Vec<Case> {
    let mixes = cases::mixes(MIXES, &mut random(seed(), "mixes"));
    let all = CASES.iter().copied().chain(mixes);
    let cases: Vec<_> = match choice().as_deref() {
        None => CASES.to_vec(),
        Some("all") => all.collect(),
        Some(name) => all.filter(|case| case.name == name).collect(),
    };
    assert!(!cases.is_empty(), "there is no such case");
    cases
}

fn seed() -> u64 {
    let given = std::env::var("HPT_KILLS_SEED").ok();
    given.map_or(4, |seed| seed.parse().unwrap())
}

/// So many of them, in their order.
fn some_of<T>(all: Vec<T>, count: usize, mut random: impl FnMut(usize) -> usize) -> Vec<T> {
    let (mut left, mut rest) = (count, all.len());
    let mut some = Vec::new();
    for one in all {
        if random(rest) < left {
            some.push(one);
            left -= 1;
        }
        rest -= 1;
    }
    some
}

/// Numbers below what is asked for, the same ones for the same seed and case.
fn random(seed: u64, case: &str) -> impl FnMut(usize) -> usize + use<> {
    let mut state = case.bytes().fold(seed, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    }
}

/// Whether this is root, who can mount, and strace works; where not, says so, or fails if nothing may
/// be left out.
#[allow(clippy::print_stdout, reason = "says that a test was left out")]
fn is_usable() -> bool {
    let traces = Command::new("unshare")
        .args(["--mount", "strace", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !traces {
        println!("skipped, for want of root, unshare and strace (tests/setup.sh, sudo tests/all)");
        let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
        assert!(!insists, "HPT_REQUIRE_ALL: this test must run");
    }
    traces
}
