//! ^C ends a run on the host itself where that leaves nothing half done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use rustix::process::geteuid;

/// Whoever is not root has a state of his own, and the tests' machine keeps its own.
const NOBODY: u32 = 65534;

/// Types ^C on a terminal once the run's command is there, lets it end when that was heard, and prints
/// what was shown and how the process ended.
const TYPIST: &str = r#"
import os, pty, sys, time
hpt, home, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
pid, tty = pty.fork()
if pid == 0:
    os.setgid(user)
    os.setuid(user)
    os.chdir(home)
    os.execv(hpt, ["hpt", "provision", "--yes", "site.toml"])
said = b""
def hear(size):
    global said
    try:
        piece = os.read(tty, size)
    except OSError:
        piece = b""
    said += piece
    return piece
while not os.path.exists(home + "/here"):
    time.sleep(0.01)
os.write(tty, b"\x03")
while b"stops before its next block" not in said and hear(1):
    pass
open(home + "/go", "w").close()
while hear(4096):
    pass
_, status = os.waitpid(pid, 0)
print(said.decode().replace("\r", ""))
print("exit", os.waitstatus_to_exitcode(status))
"#;

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
    fs::copy(env!("CARGO_BIN_EXE_hpt"), path("hpt")).unwrap();
    fs::set_permissions(path("hpt"), fs::Permissions::from_mode(0o755)).unwrap();
    let user = if geteuid().is_root() {
        NOBODY
    } else {
        geteuid().as_raw()
    };
    chown(dir.path(), Some(user), None).unwrap();
    let typed = Command::new("python3")
        .args(["-c", TYPIST])
        .arg(path("hpt"))
        .arg(dir.path())
        .arg(user.to_string())
        .env("HOME", dir.path())
        .env("XDG_STATE_HOME", path("state"))
        .output()
        .unwrap();
    let words = String::from_utf8(typed.stdout).unwrap();
    assert!(typed.status.success(), "{words}");
    assert!(words.contains("stops before its next block"), "{words}");
    assert!(words.contains("not run 1"), "{words}");
    assert!(words.trim_end().ends_with("exit 1"), "{words}");
    assert!(!path("next").exists());
}
