//! Prompts, on a terminal: what is typed is not seen, what breaks them off leaves the terminal as it
//! was, and programs hear of the answer.

#![allow(clippy::disallowed_methods, reason = "these tests start hpt")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// Starts hpt (`argv[1]`) with the words in `argv[3]` in the directory `argv[2]`, on a terminal of
/// its own. The rest are prompts, each followed by what is typed there. Prints what came after the
/// last prompt, whether the terminal echoed at each and does in the end, and how the process ended.
const TYPIST: &str = r#"
import os, pty, sys, termios, time
pid, tty = pty.fork()
if pid == 0:
    os.chdir(sys.argv[2])
    os.execv(sys.argv[1], ["hpt", *sys.argv[3].split()])
echoes = lambda: bool(termios.tcgetattr(tty)[3] & termios.ECHO)
seen = []
for prompt, keys in zip(sys.argv[4::2], sys.argv[5::2]):
    said = b""
    while prompt.encode() not in said:
        said += os.read(tty, 1)
    # The echo goes after the prompt is shown, and what is typed until then is flushed.
    while "passphrase" in prompt and echoes():
        time.sleep(0.001)
    seen.append(echoes())
    os.write(tty, keys.encode())
rest = b""
try:
    while piece := os.read(tty, 4096):
        rest += piece
except OSError:
    pass
_, status = os.waitpid(pid, 0)
seen.append(echoes())
print(rest.decode().replace("\r", "").strip())
print(*seen, os.waitstatus_to_exitcode(status))
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What is shown after the last prompt, and the last line of the typist.
    fn typed(&self, words: &str, dialogue: &[&str]) -> (String, String) {
        let python = Command::new("python3")
            .args(["-c", TYPIST, env!("CARGO_BIN_EXE_hpt")])
            .arg(self.0.path())
            .arg(words)
            .args(dialogue)
            .env("HPT_KEYSTORE", "client.db")
            .env("XDG_STATE_HOME", self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&python.stderr).into_owned();
        assert!(python.status.success(), "{said}");
        let shown = String::from_utf8(python.stdout).unwrap();
        let (rest, end) = shown.trim_end().rsplit_once('\n').unwrap();
        (rest.to_owned(), end.to_owned())
    }
}

#[test]
fn an_interrupted_prompt_gives_the_echo_back() {
    let place = Place::new();
    for keys in ["half a pass\x03", "\x1c"] {
        let words = "gen-client-keys --passphrase";
        let (_, end) = place.typed(words, &["New passphrase: ", keys]);
        assert_eq!(end, "False True -2", "{keys:?}");
    }
}

#[test]
fn a_passphrase_is_typed_unseen_and_programs_hear_of_it() {
    let place = Place::new();
    let (_, end) = place.typed("gen-client-keys", &[]);
    assert_eq!(end, "True 0");
    let words = "passphrase --json --quiet";
    let typed = "correct horse\n";
    let twice = ["New passphrase: ", typed, "Once more: ", typed];
    let (shown, end) = place.typed(words, &twice);
    assert_eq!(end, "False False True 0");
    let sealed = r#"{"event":"passphrase","keystore":"client.db","sealed":true}"#;
    assert_eq!(shown, sealed);
}

#[test]
fn a_no_is_told_to_programs() {
    let place = Place::new();
    fs::create_dir(place.0.path().join("image")).unwrap();
    let config = "[[file]]\npath = \"/motd\"\ncontent = \"hi\"\n";
    fs::write(place.0.path().join("site.toml"), config).unwrap();
    let words = "--json --quiet --root image site.toml";
    let (shown, end) = place.typed(words, &["[y/N] ", "n\n"]);
    assert_eq!(end, "True True 0");
    let declined = r#"{"event":"declined","target":"image"}"#;
    assert!(shown.ends_with(declined), "{shown}");
    assert!(!place.0.path().join("image/motd").exists());
}
