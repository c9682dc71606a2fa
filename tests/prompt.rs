//! The prompt for a passphrase leaves the terminal as it was, also when it is broken off.

#![allow(clippy::disallowed_methods, reason = "these tests start hpt")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Types `argv[3]` at the prompt, and prints whether the terminal echoed meanwhile and does
/// afterwards, and how the process ended.
const TYPIST: &str = r#"
import os, pty, signal, sys, termios
pid, tty = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["hpt", "--keystore", sys.argv[2], "gen-client-keys", "--passphrase"])
echoes = lambda: bool(termios.tcgetattr(tty)[3] & termios.ECHO)
def until(words):
    said = b""
    while words not in said:
        said += os.read(tty, 1)
    while words.endswith(b": ") and echoes():
        pass
until(b"New passphrase: ")
hidden = not echoes()
os.write(tty, sys.argv[3].encode())
if sys.argv[3].endswith("\n"):
    until(b"Once more: ")
    os.write(tty, sys.argv[3].encode())
_, status = os.waitpid(pid, 0)
print(hidden, echoes(), os.waitstatus_to_exitcode(status))
"#;

fn typed(keys: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let python = Command::new("python3")
        .args(["-c", TYPIST, env!("CARGO_BIN_EXE_hpt")])
        .arg(dir.path().join("client.db"))
        .arg(keys)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&python.stderr).into_owned();
    assert!(python.status.success(), "{said}");
    String::from_utf8(python.stdout).unwrap()
}

#[test]
fn an_interrupted_prompt_gives_the_echo_back() {
    assert_eq!(typed("half a pass\x03"), "True True -2\n");
    assert_eq!(typed("\x1c"), "True True -2\n");
}

#[test]
fn a_passphrase_is_typed_unseen() {
    assert_eq!(typed("correct horse\n"), "True True 0\n");
}
