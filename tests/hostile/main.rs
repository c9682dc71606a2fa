//! A target that lies and attacks: what it says reaches no terminal as more than text (T-1, A3).

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod evil;
#[path = "../python/mod.rs"]
mod python;
mod sequences;
#[path = "../serving/mod.rs"]
mod serving;

use std::path::Path;
use std::process::{Command, Stdio};

use evil::{Evil, Malice};

/// Whether text could do more to a terminal than to be shown by it.
fn drives(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn what_a_target_says_is_only_shown() {
    let place = Evil(Malice::Writes(1000)).serve();
    place.write("refuse.toml", "[[file]]\npath = \"/x\"\ncontent = \"x\"\n");
    for args in [
        &["status"][..],
        &["facts"],
        &["plan", "site.toml"],
        &["plan", "--all", "site.toml"],
        &["plan", "refuse.toml"],
        &["provision", "site.toml"],
        &["-v", "provision", "site.toml"],
        &["log"],
        &["why", "/etc/motd"],
        &["upgrade"],
    ] {
        for form in [&[][..], &["--json"]] {
            let ran = place.web1(&[form, args].concat());
            let all = format!("{}{}", ran.out, ran.err);
            let bad = all.chars().find(|c| drives(*c));
            assert_eq!(bad, None, "hpt {form:?} {args:?}\n{all}");
            // Of a log that is none nothing is shown.
            let is_heard = all.contains("FORGED") || all.contains("record 1 was changed");
            assert!(is_heard, "the target has been heard: {args:?} {all}");
            let forged = all.lines().find(|line| line.starts_with("changed"));
            assert_eq!(forged, None, "a target wrote a line of hpt's");
            for line in ran.out.lines().filter(|_| !form.is_empty()) {
                serde_json::from_str::<serde_json::Value>(line).expect(line);
            }
        }
    }
}

/// A terminal emulator sees the known sequences and 100,000 random ones, and does nothing but draw.
#[test]
fn a_terminal_emulator_only_draws() {
    let python = match python::with("terminal") {
        Ok(python) => python,
        Err(missing) => {
            let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
            assert!(!insists, "missing: {missing}");
            eprintln!("skipped, for want of {missing}");
            return;
        }
    };
    let place = Evil(Malice::Writes(100_000)).serve();
    let mut command = place.command(&["--target", "web1", "-v", "provision", "site.toml"]);
    let hpt = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    // What the target says of the confirmation is drawn as well.
    assert_eq!(hpt.status.code(), Some(8));
    let mut emulator = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = emulator.stdin.take().unwrap();
    let bytes = [hpt.stdout, hpt.stderr].concat();
    assert!(bytes.len() > 1_000_000, "the sequences have arrived");
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut input, &bytes));
    let output = emulator.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_session_without_a_result_is_no_success() {
    let place = Evil(Malice::Leaves).serve();
    let lost = place.web1(&["provision", "site.toml"]).exits(7);
    lost.says("this client may not attach to it")
        .says("goes on there")
        .says("status");
    let place = Evil(Malice::Invents).serve();
    place
        .web1(&["provision", "site.toml"])
        .exits(1)
        .says("an index beyond the end of its list");
}

/// R6: what is pinned stays unless its own keys have signed for others.
#[test]
fn nobody_follows_to_keys_that_the_pinned_ones_have_not_signed_for() {
    let place = Evil(Malice::Leaves).serve();
    let pinned = place.ok(&["show", "web1"]);
    let refused = place.web1(&["rotate-target-keys"]).exits(5);
    refused
        .says("have not signed for them")
        .says("do not go on");
    assert_eq!(place.ok(&["show", "web1"]), pinned);
}
