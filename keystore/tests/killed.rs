//! K4, K1: a writer that is killed at any of its system calls leaves the old state or the new one,
//! and at no moment a file that others may open.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

#[path = "killed/bench.rs"]
mod bench;
#[path = "killed/strace.rs"]
mod strace;

use std::sync::Mutex;

use bench::{Bench, State};
use strace::Call;

const VERBS: [&str; 9] = [
    "create", "recreate", "gen", "regen", "pin", "rename", "remove", "backup", "restore",
];

/// Calls that change nothing that outlives the process: death at one of them is death at the next.
const HARMLESS: [&str; 18] = [
    "brk",
    "close",
    "fcntl",
    "futex",
    "getdents64",
    "geteuid",
    "getrandom",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "prlimit64",
    "pread64",
    "read",
    "readlink",
    "sigaltstack",
    "statx",
];

/// K4: at every call that matters, of every kind of write.
#[test]
fn a_write_that_is_killed_is_whole_or_not_at_all() {
    if !strace::is_usable() {
        return;
    }
    for verb in VERBS {
        let before = Bench::before(verb);
        let whole = before.copied();
        let mut points = strace::calls(verb, whole.home());
        assert!(is_done(verb, &before, &whole), "{verb}");
        points.retain(|call| !HARMLESS.contains(&call.name.as_str()));
        println!("{verb}: killed at {} calls", points.len());
        let points = Mutex::new(points.into_iter());
        let kill_some = || {
            while let Some(call) = { points.lock().unwrap().next() } {
                let killed = before.copied();
                strace::kill_at(&call, verb, killed.home());
                assert_eq!(killed.loose_bits(), 0, "{verb} at {}", call.line);
                let kept = is_untouched(&before, &killed) || is_done(verb, &before, &killed);
                assert!(kept, "{verb} at {}", call.line);
                killed.write_again();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(kill_some);
            }
        });
    }
}

/// K1: even under umask 000 whatever is made is its owner's alone from the call on that makes it,
/// and no later call changes that.
#[test]
fn no_moment_is_wider_than_0600() {
    if !strace::is_usable() {
        return;
    }
    for verb in VERBS {
        let bench = Bench::before(verb);
        for call in strace::calls(verb, bench.home()) {
            assert!(is_narrow(&call), "{verb}: {}", call.line);
        }
    }
    let bench = Bench::before("create");
    let calls = strace::calls("create", &bench.home().join("missing/twice"));
    assert!(calls.iter().all(is_narrow));
    let count = |name| calls.iter().filter(|call| call.name == name).count();
    assert_eq!((count("mkdir"), count("chmod")), (2, 2));
}

fn is_narrow(call: &Call) -> bool {
    match call.name.as_str() {
        "open" | "openat" | "openat2" if call.line.contains("O_CREAT") => {
            call.line.contains("O_EXCL") && call.line.contains(", 0600)")
        }
        "chmod" | "fchmod" | "fchmodat" | "mkdir" | "mkdirat" => {
            call.line.contains(", 0600)") || call.line.contains(", 0700)")
        }
        "creat" | "mknod" | "mknodat" | "umask" | "fsetxattr" | "setxattr" => false,
        _ => true,
    }
}

/// K4: the content is durable before it has its name, and then the name is.
#[test]
fn mode_content_and_name_come_in_this_order() {
    if !strace::is_usable() {
        return;
    }
    let bench = Bench::before("create");
    let calls = strace::calls("create", bench.home());
    let steps: Vec<_> = calls
        .iter()
        .filter(|call| call.line.contains("O_CREAT") || STEPS.contains(&call.name.as_str()))
        .map(|call| call.name.as_str())
        .collect();
    assert_eq!(
        steps,
        ["openat", "fchmod", "write", "fsync", "renameat2", "fsync"]
    );
}

const STEPS: [&str; 4] = ["fchmod", "write", "fsync", "renameat2"];

/// Whether everything that has a name is as it was.
fn is_untouched(before: &Bench, now: &Bench) -> bool {
    let mut there = now.names();
    there.retain(|name| !name.starts_with('.'));
    there == before.names()
        && there
            .iter()
            .all(|name| now.bytes(name) == before.bytes(name))
}

/// Whether the verb has come to where its work counts.
fn is_done(verb: &str, before: &Bench, now: &Bench) -> bool {
    let (old, new) = (before.client("client.db"), now.client("client.db"));
    let Some(new) = new else { return false };
    // What is delivered to a target is what the client pins, or what was there before.
    for target in ["web1", "web2"] {
        let file = format!("{target}.keystore");
        let delivered = now.target(&file);
        assert!(
            delivered.is_none()
                || now.bytes(&file) == before.bytes(&file)
                || delivered.as_ref() == new.targets.get(target),
            "{verb}: {file} is of no use"
        );
    }
    match (verb, old) {
        ("create", None) => new.targets.is_empty(),
        ("recreate", Some(old)) => new.targets.is_empty() && new.own != old.own,
        ("gen" | "pin", Some(old)) => {
            new.targets.contains_key("web2") && new.without("web2") == old
        }
        ("regen", Some(old)) => {
            new.targets["web1"] != old.targets["web1"] && new.without("web1") == old.without("web1")
        }
        ("rename", Some(old)) => {
            let renamed = new.targets.get("db2") == old.targets.get("db1");
            renamed && new.without("db2") == old.without("db1")
        }
        ("remove", Some(old)) => new == old.without("db1"),
        ("backup", Some(old)) => new == old && now.bytes("copy") == before.bytes("client.db"),
        ("restore", _) => now.bytes("client.db") == before.bytes("copy"),
        _ => false,
    }
}

impl State {
    fn without(&self, target: &str) -> Self {
        let mut state = self.clone();
        state.targets.remove(target);
        state
    }
}
