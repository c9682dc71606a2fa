//! What a shell is told as somebody types, and the manual.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

#[path = "serving/mod.rs"]
mod serving;

use serving::Place;

/// What bash is told when the last of these words is not whole yet.
fn completed(place: &Place, words: &[&str]) -> Vec<String> {
    let line = [&["--", "hpt"], words].concat();
    let output = place
        .command(&line)
        .env("HPT_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn verbs_options_and_targets_are_completed() {
    let place = Place::new();
    for name in ["web2", "db1"] {
        place.ok(&["gen-target-keys", "--target", name]);
    }
    assert_eq!(completed(&place, &["--target", "we"]), ["web1", "web2"]);
    assert_eq!(completed(&place, &["-t", ""]), ["db1", "web1", "web2"]);
    let pattern = completed(&place, &["--on", "db1 | !we"]);
    assert_eq!(pattern, ["db1 | !web1", "db1 | !web2"]);
    assert_eq!(completed(&place, &["gen-t"]), ["gen-target-keys"]);
    assert!(completed(&place, &["plan", "--det"]).contains(&"--detailed-exitcode".to_owned()));
    // Without a keystore there is nothing to say, and nobody is asked.
    std::fs::remove_file(place.path("client.db")).unwrap();
    assert_eq!(completed(&place, &["--target", "we"]), [""; 0]);
}

#[test]
fn shells_are_told_how_to_ask() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(&["completion", shell]);
        assert!(script.contains("HPT_COMPLETE"), "{shell}: {script}");
    }
    place.run(&["completion", "tcsh"]).exits(64);
}

#[test]
fn the_manual_has_a_page_for_each_verb() {
    let place = Place::new();
    place.ok(&["man", "share/man1"]);
    for page in ["hpt.1", "hpt-provision.1", "hpt-gen-target-keys.1"] {
        assert!(
            place
                .read(&format!("share/man1/{page}"))
                .contains(".TH hpt"),
            "{page}"
        );
    }
}
