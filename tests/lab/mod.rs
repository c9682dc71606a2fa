//! A lab of real hosts for one test: brought up here, gone when dropped.
//!
//! A test file says `mod lab;` and
//!
//! ```ignore
//! let Some(lab) = Lab::up(&["web1"]) else { return };
//! lab.ok("web1", &["useradd", "ana"]);
//! let out = lab.ws(&[HPT, "--target", "web1", "status"]).output().unwrap();
//! ```
#![allow(dead_code, reason = "each test file uses the part that it needs")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test.
pub(crate) const HPT: &str = env!("CARGO_BIN_EXE_hpt");

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/lab");

/// Running hosts under a name of their own, so that tests may run at the same time.
pub(crate) struct Lab {
    name: String,
}

impl Lab {
    /// Hosts with `hpt` mounted at `/usr/local/bin/hpt`; `None`, and a word why, without root.
    pub(crate) fn up(hosts: &[&str]) -> Option<Self> {
        Self::with(hosts, HPT)
    }

    /// Hosts that know nothing of `hpt`.
    pub(crate) fn bare(hosts: &[&str]) -> Option<Self> {
        Self::with(hosts, "")
    }

    fn with(hosts: &[&str], binary: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let me = fs::metadata("/proc/self").expect("/proc is mounted").uid();
        if me != 0 {
            eprintln!("SKIPPED: hosts need root; run tests/setup.sh, then the tests, as root");
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("test-{}-{count}", std::process::id()),
        };
        let mut up = lab.command("up");
        up.args(hosts).env("HPT_BIN", binary);
        finish(&mut up);
        Some(lab)
    }

    /// `lab VERB`, ready for more arguments: `kill`, `reboot`, `partition`, `cp` ...
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(LAB);
        command
            .arg(verb)
            .env("HPT_LAB_NAME", &self.name)
            .stdin(Stdio::null());
        command
    }

    /// Do `lab VERB ARGS`, which must succeed; its output.
    pub(crate) fn must(&self, verb: &str, args: &[&str]) -> String {
        finish(self.command(verb).args(args))
    }

    /// A command in a host, ready to run.
    pub(crate) fn run(&self, host: &str, argv: &[&str]) -> Command {
        let mut command = self.command("run");
        command.args([host, "--"]).args(argv);
        command
    }

    /// Run a command in a host, which must succeed; its output without the last newline.
    pub(crate) fn ok(&self, host: &str, argv: &[&str]) -> String {
        finish(&mut self.run(host, argv))
    }

    /// A command on this machine with the disk of a host that is off at `/mnt`, ready to run.
    pub(crate) fn disk(&self, host: &str, argv: &[&str]) -> Command {
        let mut command = self.command("disk");
        command.args([host, "--"]).args(argv);
        command
    }

    /// A command on the workstation, ready to run; killing it kills the command itself.
    pub(crate) fn ws(&self, argv: &[&str]) -> Command {
        let mut command = self.command("ws");
        command.arg("--").args(argv);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = self.command("down").status();
        if !std::thread::panicking() {
            assert!(down.is_ok_and(|status| status.success()), "lab down failed");
        }
    }
}

/// Run a command that must succeed; its output without the last newline.
fn finish(command: &mut Command) -> String {
    let output = command.output().expect("tests/lab/lab starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    let text = String::from_utf8(output.stdout).expect("its output is text");
    text.trim_end().to_owned()
}
