//! `keystore-writer` under strace: what it asks of the kernel, and its death at any of those calls.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

/// One system call of the writer, by the order in which it makes them.
pub(super) struct Call {
    pub(super) name: String,
    /// Which of the calls of this name it is, from 1.
    pub(super) nth: usize,
    /// As strace shows it, with its answer.
    pub(super) line: String,
}

/// Whether strace works here; where it does not, says so, or fails if nothing may be left out.
#[allow(clippy::print_stdout, reason = "says that a test was left out")]
pub(super) fn is_usable() -> bool {
    let works = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        println!("skipped: strace is missing or may not trace (tests/setup.sh installs it)");
        let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
        assert!(!insists, "HPT_REQUIRE_ALL: this test must run");
    }
    works
}

/// What a write asks of the kernel, from the first call that names the directory on.
pub(super) fn calls(verb: &str, dir: &Path) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let to = log.path().to_str().unwrap();
    let ran = strace(&["-s", "0", "-o", to], verb, dir);
    assert!(ran.status.success(), "{verb}: {ran:?}");
    let mut counts = HashMap::new();
    let mut calls: Vec<_> = fs::read_to_string(log.path())
        .unwrap()
        .lines()
        .filter_map(|line| {
            let (name, _) = line.split_once('(')?;
            let nth = counts.entry(name.to_owned()).or_insert(0);
            *nth += 1;
            Some(Call {
                name: name.to_owned(),
                nth: *nth,
                line: line.to_owned(),
            })
        })
        .collect();
    let ours = |call: &Call| call.name != "execve" && call.line.contains(dir.to_str().unwrap());
    let first = calls.iter().position(ours).expect("it names the directory");
    calls.split_off(first)
}

/// Lets the writer die by SIGKILL in place of one of its calls.
pub(super) fn kill_at(call: &Call, verb: &str, dir: &Path) {
    let Call { name, nth, line } = call;
    let inject = format!("--inject={name}:signal=KILL:when={nth}");
    let ran = strace(&["-o", "/dev/null", &inject], verb, dir);
    // strace dies as what it traces died.
    assert_eq!(ran.status.signal(), Some(9), "{verb} at {line}: {ran:?}");
}

fn strace(options: &[&str], verb: &str, dir: &Path) -> Output {
    Command::new("strace")
        .args(options)
        .args([env!("CARGO_BIN_EXE_keystore-writer"), verb])
        .arg(dir)
        .output()
        .unwrap()
}
