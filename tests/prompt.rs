//! Prompts, on a terminal: what is typed is not seen, what breaks them off leaves the terminal as it
//! was, and programs hear of the answer.

#![allow(clippy::disallowed_methods, reason = "these tests start hpt")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// Starts hpt (`argv[1]`) with the words in `argv[3]` in the directory `argv[2]`, on a terminal of
/// its own. The rest are prompts, each followed by what is typed there, or `SIG` and the number of a
/// signal that comes from outside. Prints what came after the last prompt, whether the terminal echoed
/// at each and does in the end, and how the process ended.
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
    while "[y/N]" not in prompt and echoes():
        time.sleep(0.001)
    seen.append(echoes())
    if keys.startswith("SIG"):
        os.kill(pid, int(keys[3:]))
    else:
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

    /// A config that writes this into `image/motd`.
    fn config(&self, before: &str, content: &str) {
        fs::create_dir(self.0.path().join("image")).unwrap();
        let config = format!("{before}[[file]]\npath = \"/motd\"\ncontent = \"{content}\"\n");
        fs::write(self.0.path().join("site.toml"), config).unwrap();
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
    for (keys, end) in [
        ("half a pass\x03", -2),
        ("\x1c", -3),
        ("SIG1", -1),
        ("SIG2", -2),
        ("SIG3", -3),
        ("SIG15", -15),
    ] {
        let words = "gen-client-keys --passphrase";
        let (_, said) = place.typed(words, &["New passphrase: ", keys]);
        assert_eq!(said, format!("False True {end}"), "{keys:?}");
        let twice = ["New passphrase: ", "correct horse\n", "Once more: ", keys];
        let (_, said) = place.typed(words, &twice);
        assert_eq!(
            said,
            format!("False False True {end}"),
            "{keys:?} at the second"
        );
    }
}

/// A question that was answered leaves signals as they were.
#[test]
fn a_signal_after_the_prompt_ends_hpt_as_ever() {
    let place = Place::new();
    place.config("[secret.s]\nprompt = \"The word\"\n", "{{ secret.s }}");
    let words = "--root image site.toml";
    let dialogue = ["The word: ", "abracadabra\n", "[y/N] ", "SIG15"];
    let (shown, end) = place.typed(words, &dialogue);
    assert_eq!(end, "False True True -15");
    assert!(!shown.contains("abracadabra"), "{shown}");
}

#[test]
fn a_secret_is_asked_for_once_and_not_shown() {
    let place = Place::new();
    place.config("[secret.s]\nprompt = \"The word\"\n", "{{ secret.s }}");
    let words = "--yes -v --root image site.toml";
    let (shown, end) = place.typed(words, &["The word: ", "abracadabra\n"]);
    assert_eq!(end, "False True 0");
    assert!(!shown.contains("abracadabra"), "{shown}");
    let written = fs::read_to_string(place.0.path().join("image/motd")).unwrap();
    assert_eq!(written, "abracadabra");
    let (shown, end) = place.typed("plan --root image site.toml", &["The word: ", "\n"]);
    assert_eq!(end, "False True 3");
    assert!(
        shown.contains("[secret.s] was asked for, and nothing was typed"),
        "{shown}"
    );
}

#[test]
fn a_value_to_seal_is_typed_twice() {
    let place = Place::new();
    place.typed("gen-target-keys --target web1", &[]);
    let asked = |second| ["db_url: ", "open sesame\n", "Once more: ", second];
    let (shown, end) = place.typed("seal db_url web1", &asked("open sesame\n"));
    assert_eq!(end, "False False True 0");
    assert!(
        shown.starts_with("[secret.db_url.sealed]\nweb1 = \"hpt1k:"),
        "{shown}"
    );
    let (shown, end) = place.typed("seal db_url web1", &asked("open sesam\n"));
    assert_eq!(end, "False False True 1");
    assert!(shown.ends_with("the two values differ"), "{shown}");
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
    place.config("", "hi");
    let words = "--json --quiet --root image site.toml";
    let (shown, end) = place.typed(words, &["[y/N] ", "n\n"]);
    assert_eq!(end, "True True 0");
    let declined = r#"{"event":"declined","target":"image"}"#;
    assert!(shown.ends_with(declined), "{shown}");
    assert!(!place.0.path().join("image/motd").exists());
}
