//! What the doctor finds on a workstation and at targets; and that what it says mends it does.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

#[path = "serving/mod.rs"]
mod serving;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::SystemTime;

use hpt_keystore::client::{KnownTarget, pin_target};
use hpt_keystore::{Existing, Keypair, Psk, TargetName};
use serde_json::Value;
use serving::{Place, Ran};

const DAY: u64 = 86_400;

/// What is said of one thing: its state, its words and its mend.
fn of(ran: &Ran, about: &str) -> [String; 3] {
    let mut objects = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = objects.find(|object| object["about"] == about);
    let found = found.unwrap_or_else(|| panic!("nothing of {about}: {}", ran.out));
    ["state", "words", "mend"].map(|key| found[key].as_str().unwrap_or_default().to_owned())
}

fn is(ran: &Ran, about: &str, state: &str, words: &str) -> String {
    let [found, said, mend] = of(ran, about);
    assert_eq!(found, state, "{about}: {said}");
    assert!(said.contains(words), "{about}: {said}");
    assert_eq!(mend.is_empty(), state == "ok", "{about}: {mend}");
    mend
}

/// Does what the first words in backquotes say.
fn mend(place: &Place, mend: &str) {
    let command = mend.split('`').nth(1).unwrap();
    let hpt = std::path::Path::new(serving::HPT).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let done = Command::new("sh")
        .args(["-c", command])
        .current_dir(place.path(""))
        .env("PATH", format!("{}:{path}", hpt.display()))
        .env("HPT_KEYSTORE", "client.db")
        .status();
    assert!(done.unwrap().success(), "{command}");
}

/// Pins a target that was added so long ago, or is yet to be.
fn pin(place: &Place, name: &str, added_at: u64) {
    let target = KnownTarget {
        name: TargetName::parse(name).unwrap(),
        identity: Keypair::generate().identity(),
        psk: Psk::generate(),
        address: None,
        added_at,
        behind: None,
    };
    pin_target(&place.path("client.db"), &target, Existing::Keep).unwrap();
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn a_keystore_that_others_may_read_is_mended_as_it_says() {
    let place = Place::new();
    let well = place.run(&["--json", "doctor"]).exits(0);
    is(&well, "keystore", "ok", "client.db, 1 target");
    is(&well, "passphrase", "warn", "none");
    is(&well, "own key", "ok", "web1 was pinned with it");
    is(&well, "inventory", "ok", "none");
    is(&well, "addresses", "ok", "known of all");
    fs::set_permissions(place.path("client.db"), Permissions::from_mode(0o644)).unwrap();
    let bad = place.run(&["--json", "doctor"]).exits(1);
    mend(&place, &is(&bad, "keystore", "fail", "its mode is 0644"));
    fs::set_permissions(place.path(""), Permissions::from_mode(0o777)).unwrap();
    let bad = place.run(&["--json", "doctor"]).exits(1);
    mend(
        &place,
        &is(&bad, "keystore", "fail", "may be written by others"),
    );
    is(
        &place.run(&["--json", "doctor"]).exits(0),
        "keystore",
        "ok",
        "",
    );
    fs::remove_file(place.path("client.db")).unwrap();
    let bad = place.run(&["--json", "doctor"]).exits(1);
    mend(
        &place,
        &is(&bad, "keystore", "fail", "there is no keystore"),
    );
    place.run(&["doctor"]).exits(0).says("this machine  ok");
}

#[test]
fn old_keys_and_odd_clocks_are_warned_of() {
    let place = Place::new();
    pin(&place, "lately", now() - 179 * DAY);
    let well = place.run(&["--json", "doctor"]).exits(0);
    is(&well, "own key", "ok", "179 days old at least");
    is(&well, "clock", "ok", "UTC");
    pin(&place, "ago", now() - 181 * DAY);
    pin(&place, "later", now() + DAY);
    let old = place.run(&["--json", "doctor"]).exits(0);
    is(
        &old,
        "own key",
        "warn",
        "181 days old at least: ago was pinned",
    );
    is(&old, "clock", "warn", "later was pinned on");
    is(&old, "addresses", "warn", "ago, lately, later");
}

#[test]
fn the_inventory_is_held_against_the_keys() {
    let place = Place::new();
    let file = |text: &str| place.write("targets.toml", text);
    file("[target.web1]\nips = [\"10.0.0.5\"]\n");
    let well = place.run(&["--json", "doctor"]).exits(0);
    is(&well, "inventory", "ok", "targets.toml, 1 target");
    is(&well, "keys", "ok", "");
    file("[target.web1]\n[target.web2]\n[target.web3]\n");
    let keyless = place.run(&["--json", "doctor"]).exits(0);
    let made = is(&keyless, "keys", "warn", "web2, web3");
    assert!(made.contains("--target web2`"), "{made}");
    file("[target.web1]\nips = [\"10.0.0.5:0x\"]\n");
    let bad = place.run(&["--json", "doctor"]).exits(1);
    is(&bad, "addresses", "fail", "web1 at 10.0.0.5:0x");
    file("[target.web1]\nipz = []\n");
    let bad = place.run(&["--json", "doctor"]).exits(1);
    is(&bad, "inventory", "fail", "targets.toml:2:1: ");
    is(&bad, "keystore", "ok", "");
    // Nobody could be asked: that is said in the same shape.
    let bad = place.run(&["--json", "--on", "*", "doctor"]).exits(1);
    is(&bad, "targets", "fail", "targets.toml:2:1: ");
}

#[test]
fn what_was_left_to_be_done_is_remembered() {
    let place = Place::new();
    place.write(
        "site.toml",
        "[[file]]\npath = \"/motd\"\ncontent = \"hi\"\n",
    );
    let args = ["--on", "*", "provision", "--yes", "site.toml"];
    assert_ne!(place.run(&args).code, Some(0), "nobody serves");
    let left = place.run(&["--json", "doctor"]).exits(0);
    let words = "hpt --on '*' provision --yes site.toml";
    let forget = is(&left, "retry", "warn", words);
    fs::remove_file(
        place.path(
            forget
                .split("`rm ")
                .nth(1)
                .unwrap()
                .split('`')
                .next()
                .unwrap(),
        ),
    )
    .unwrap();
    let well = place.run(&["--json", "doctor"]).exits(0);
    assert!(!well.out.contains("\"retry\""), "{}", well.out);
    place.write("retry.targets", "web1\n");
    let bad = place.run(&["--json", "doctor"]).exits(1);
    mend(
        &place,
        &is(&bad, "retry", "fail", "does not begin with a command"),
    );
    place.run(&["doctor"]).exits(0);
}

#[test]
fn targets_are_asked_over_the_channel() {
    let mut place = Place::serving();
    let well = place
        .run(&["--json", "--target", "web1", "doctor"])
        .exits(0);
    is(&well, "channel", "ok", "handshake in");
    is(&well, "version", "ok", env!("CARGO_PKG_VERSION"));
    is(&well, "run", "ok", "none broke off");
    is(&well, "audit", "ok", "");
    place
        .web1(&["doctor"])
        .exits(0)
        .says("web1  ok 4  warn 0  fail 0");
    place.ok(&["gen-target-keys", "--target", "web2", "--ip", "127.0.0.1:1"]);
    // Of many, only what is not well is told.
    let many = place.run(&["--on", "*", "doctor"]).exits(1);
    assert!(!many.out.contains("handshake"), "{}", many.out);
    many.says("web1  ok 4  warn 0  fail 0")
        .says("fail  channel")
        .says("web2  ok 0  warn 0  fail 1")
        .says("2 targets  done 1  failed 1");
    place.stop();
    let away = place
        .run(&["--json", "--target", "web1", "doctor"])
        .exits(1);
    is(&away, "channel", "fail", "127.0.0.1");
    let unknown = place
        .run(&["--json", "--target", "web3", "doctor"])
        .exits(1);
    is(&unknown, "keys", "fail", "no target is called web3");
}

/// Its state was lost, or somebody has cut what was recorded.
#[test]
fn an_audit_that_was_cut_fails() {
    let mut place = Place::serving();
    place.write(
        "site.toml",
        "[[file]]\npath = \"/motd\"\ncontent = \"hi\"\n",
    );
    place.web1(&["provision", "--yes", "site.toml"]).exits(0);
    place.web1(&["doctor"]).exits(0);
    place.stop();
    fs::rename(place.path("state"), place.path("state.old")).unwrap();
    place.serve();
    let cut = place
        .run(&["--json", "--target", "web1", "doctor"])
        .exits(1);
    is(&cut, "audit", "fail", "was cut or forked");
}
