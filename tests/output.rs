//! What could not be written: results that are lost are a failure, and a reader who has left is not.

#![allow(clippy::disallowed_methods, reason = "these tests start hpt")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn hpt(dir: &Path, words: &str, stdout: impl Into<Stdio>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpt"))
        .args(words.split(' '))
        .current_dir(dir)
        .env("HPT_KEYSTORE", dir.join("client.db"))
        .env("XDG_STATE_HOME", dir)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("image")).unwrap();
    let config = "[[file]]\npath = \"/motd\"\ncontent = \"hi\"\n";
    std::fs::write(dir.path().join("site.toml"), config).unwrap();
    let made = hpt(dir.path(), "gen-target-keys --target web1", Stdio::null());
    assert!(made.status.success());
    dir
}

const VERBS: [&str; 6] = [
    "unit-file",
    "list-target-keys",
    "--json list-target-keys",
    "--json --root image plan site.toml",
    "--root image plan site.toml",
    "--help",
];

#[test]
fn a_full_disk_is_a_failure() {
    let dir = site();
    for words in VERBS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = hpt(dir.path(), words, full);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert_eq!(
            said, "error: cannot write to stdout: No space left on device (os error 28)\n",
            "{words}"
        );
    }
}

#[test]
fn a_reader_who_has_left_is_none() {
    let dir = site();
    for words in VERBS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = hpt(dir.path(), words, writer);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{words}"
        );
    }
}
