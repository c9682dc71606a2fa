//! ^C ends a run on the host itself where that leaves nothing half done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

const NOBODY: u32 = 65534;

#[test]
fn the_block_that_runs_ends_and_no_other_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    let (here, go, next) = (shown("here"), shown("go"), shown("next"));
    let config = format!(
        "[[exec]]\nid = \"wait\"\nalways = true\n\
         script = \"touch {here}; while [ ! -e {go} ]; do sleep 0.02; done\"\n\
         [[file]]\npath = \"{next}\"\ncontent = \"\"\n"
    );
    fs::write(path("site.toml"), config).unwrap();
    // Whoever is not root has a state of his own, and the tests' machine keeps its own.
    fs::copy(env!("CARGO_BIN_EXE_hpt"), path("hpt")).unwrap();
    fs::set_permissions(path("hpt"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(path("hpt"));
    command
        .args(["provision", "site.toml"])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .env("XDG_STATE_HOME", path("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if geteuid().is_root() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut hpt = command.spawn().unwrap();
    let began = Instant::now();
    while !path("here").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = Pid::from_raw(i32::try_from(hpt.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(hpt.stderr.take().unwrap());
    while !said.contains("it stops before its next block") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    fs::write(path("go"), "").unwrap();
    let output = hpt.wait_with_output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("not run 1"), "{words}");
    assert!(!path("next").exists());
}
