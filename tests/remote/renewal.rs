//! New keys for targets: made there, believed for the former ones' sake, and alone when all clients have followed (R6).

use std::fs;
use std::time::{Duration, Instant};

use hpt_keystore::{TargetName, client, target};
use serde_json::Value;

use super::fleet::{Fleet, name, states};
use super::pins::Desk;
use super::serving::Ran;

impl Fleet {
    /// What the keystore of a client has of a target.
    fn pinned(&self, keystore: &str, at: usize) -> String {
        let args = ["--json", "--keystore", keystore, "show", &name(at)];
        let shown: Value = serde_json::from_str(&self.place.ok(&args)).unwrap();
        shown["fingerprint"].as_str().unwrap().to_owned()
    }

    fn renew(&self, at: usize) -> Ran {
        let args = ["--target", &name(at), "rotate-target-keys"];
        self.place.run(&args)
    }
}

#[test]
fn all_clients_follow_to_a_targets_new_keys() {
    let desk = Desk::beside(Fleet::serving(2));
    desk.authorize(&["--grants", "status plan"]).exits(0);
    desk.accept().exits(0);
    let fleet = &desk.fleet;
    fleet.place.ok(&["--on", "*", "status"]);
    desk.run(&["--on", "*", "status"]).exits(0);
    fs::copy(fleet.place.path("client.db"), fleet.place.path("before.db")).unwrap();
    let first = fleet.pinned("client.db", 0);

    let renewed = fleet.renew(0).exits(0);
    let next = fleet.pinned("client.db", 0);
    assert_ne!(next, first);
    let words =
        format!("web-1  has new keys: {next}; the former ones hold until desk has followed");
    let renewed = renewed.says(&words);
    assert!(!renewed.err.contains("audit"), "{}", renewed.err);
    fleet
        .renew(0)
        .exits(1)
        .says("desk may know none but the former");

    let args = ["--target", "web-1", "list-client-keys"];
    let listed = fleet.place.ok(&args);
    let late = "it has not followed to this target's new keys yet";
    assert_eq!(listed.matches(late).count(), 1, "{listed}");

    // It is met as before, with what was seen of its audit.
    let audit = ["--json", "--target", "web-1", "audit", "verify"];
    let audit: Value = serde_json::from_str(&fleet.place.ok(&audit)).unwrap();
    assert!(audit["known"].as_u64() > Some(0), "{audit}");

    // The desk hears of it in passing.
    let plan = ["--target", "web-1", "plan", "site.toml"];
    let told = desk.run(&plan).exits(0);
    told.says(&format!(
        "web-1 has new keys, for which the former ones have signed: {next}"
    ));
    assert_eq!(fleet.pinned("desk.db", 0), next);
    let quiet = desk.run(&plan).exits(0);
    assert!(!quiet.err.contains("keys"), "{}", quiet.err);

    let log = fleet.place.ok(&["--target", "web-1", "log"]);
    for words in [format!("keys {next}"), "followed desk".to_owned()] {
        assert_eq!(log.matches(&words).count(), 1, "{words}\n{log}");
    }

    // Now nobody may know the former ones any more.
    let by_former = ["--keystore", "before.db", "--target", "web-1", "status"];
    fleet.place.run(&by_former).exits(5);
    fleet.renew(0).exits(0);
    assert_eq!(
        fleet.pinned("client.db", 1),
        fleet.pinned("before.db", 1),
        "the other one"
    );
}

/// Whoever is killed in between: each state that is left goes on from there at the next contact.
#[test]
fn whoever_was_cut_off_in_between_follows_later() {
    let fleet = Fleet::serving(1);
    let there = fleet.place.path("web-1.keystore");
    let keys = || target::load(&there).unwrap();
    fleet.place.ok(&["--target", "web-1", "status"]);

    // The target has made them, and nobody has heard of it.
    let next = target::renew(&there, None, 1).unwrap();
    until(|| {
        fleet
            .place
            .run(&["--target", "web-1", "status"])
            .err
            .contains("has new keys")
    });
    assert_eq!(fleet.pinned("client.db", 0), next.fingerprint());
    assert!(keys().former.is_none());

    // The client has pinned them, and has not said so.
    let last = target::renew(&there, None, 1).unwrap();
    let (web1, client) = (
        TargetName::parse("web-1").unwrap(),
        fleet.place.path("client.db"),
    );
    client::renewed(&client, &web1, &next, last, 1).unwrap();
    until(|| fleet.place.run(&["--target", "web-1", "status"]).code == Some(0));
    assert!(keys().former.is_none());
}

/// A target takes up what its keystore says within a second or so.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never is");
    }
}

/// What a client owes to the keys at both ends is no matter of its grants.
#[test]
fn a_client_that_may_do_next_to_nothing_changes_keys_and_follows() {
    let desk = Desk::beside(Fleet::serving(1));
    desk.authorize(&["--grants", "facts"]).exits(0);
    desk.accept().exits(0);
    let rotated = desk.run(&["rotate-client-keys"]).exits(0);
    rotated.says("knows the new keys alone");
    desk.fleet.renew(0).exits(0);
    desk.run(&["--target", "web-1", "facts"])
        .exits(0)
        .says("has new keys");
    desk.run(&["--target", "web-1", "rotate-target-keys"])
        .exits(4)
        .says("pins");
}

#[test]
fn many_have_new_keys_by_one_command() {
    let mut fleet = Fleet::serving(3);
    fleet.stop(1);
    let args = ["--json", "--on", "*", "rotate-target-keys"];
    let ran = fleet.place.run(&args).exits(1);
    assert_eq!(
        states(&ran.out),
        ["web-1 done", "web-2 unreachable", "web-3 done"]
    );
    fleet.serve(1);
    // A target that was started anew has the keys that its keystore has.
    fleet.stop(0);
    fleet.serve(0);
    fleet.place.ok(&["--on", "*", "status"]);
}
