//! Other clients: let in by targets with what they may do, told of them, and let in no longer.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::fleet::{Fleet, name};
use super::serving::Ran;

/// A second workstation beside the first.
pub(super) struct Desk {
    pub(super) fleet: Fleet,
    key: String,
}

impl Desk {
    pub(super) fn beside(fleet: Fleet) -> Self {
        let key = fleet.place.keys_of("desk");
        Self { fleet, key }
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        let args = [&["--keystore", "desk.db"], args].concat();
        self.fleet.place.run(&args)
    }

    /// Lets the desk in as `desk`, with these words besides.
    pub(super) fn authorize(&self, words: &[&str]) -> Ran {
        let args = ["--on", "*", "authorize", &self.key, "--name", "desk"];
        self.fleet.place.run(&[&args, words].concat())
    }

    pub(super) fn accept(&self) -> Ran {
        let shown = self.fleet.place.ok(&["--json", "show"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let from = shown["fingerprint"].as_str().unwrap();
        self.run(&["accept", "desk.pins", "--from", from])
    }

    /// What the targets call the first workstation.
    fn first(&self) -> String {
        let args = ["--json", "--target", "web-1", "list-client-keys"];
        let out = self.fleet.place.ok(&args);
        let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        first["name"].as_str().unwrap().to_owned()
    }
}

#[test]
fn another_client_does_what_it_may_and_no_more() {
    let desk = Desk::beside(Fleet::serving(2));
    desk.authorize(&[])
        .exits(0)
        .says("desk.pins tells desk of 2 targets");
    // It goes by whoever has written it.
    desk.run(&["accept", "desk.pins"]).exits(64).says("--from");
    let other = "0000-0000-0000-0000-0000-0000-0000-0000";
    desk.run(&["accept", "desk.pins", "--from", other])
        .exits(1)
        .says("nothing was changed");
    let args = ["--keystore", "client.db", "accept", "desk.pins"];
    desk.fleet
        .place
        .run(&args)
        .exits(1)
        .says("written for another client");
    desk.accept()
        .exits(0)
        .says("2 targets pinned: web-1, web-2");
    desk.accept().exits(0);

    desk.run(&["--on", "*", "status"]).exits(0);
    desk.run(&["--on", "*", "plan", "site.toml"]).exits(0);
    desk.run(&["--target", "web-1", "provision", "--yes", "site.toml"])
        .exits(4);
    desk.run(&["--target", "web-1", "list-client-keys"])
        .exits(4);
    let listed = desk
        .fleet
        .place
        .ok(&["--target", "web-1", "list-client-keys"]);
    assert!(
        listed.contains("desk") && listed.contains("obeys 2 clients"),
        "{listed}"
    );
    assert!(listed.contains("status facts plan log attach"), "{listed}");

    // A name is one key, until somebody means another.
    desk.authorize(&["--grants", "all"])
        .exits(1)
        .says("already pinned");
    desk.authorize(&["--grants", "status pins", "--replace"])
        .exits(0);
    desk.accept().exits(0);
    desk.run(&["--target", "web-1", "plan", "site.toml"])
        .exits(4);
    // Nobody gives what they have not.
    let args = [
        "--target",
        "web-1",
        "authorize",
        &desk.key,
        "--name",
        "twin",
        "--grants",
        "plan",
    ];
    desk.run(&args)
        .exits(4)
        .says("what they may not do themselves");
    let log = desk.fleet.place.ok(&["--target", "web-1", "log"]);
    assert!(log.contains("desk"), "{log}");
}

/// R2: it is a stranger from then on; a restart changes nothing of that. agent/tests/pins.rs has its sessions.
#[test]
fn a_revoked_client_is_cut_off_at_once() {
    let mut desk = Desk::beside(Fleet::serving(2));
    desk.authorize(&["--grants", "all"]).exits(0);
    desk.accept().exits(0);
    desk.run(&["--on", "*", "status"]).exits(0);
    let args = ["--on", "*", "revoke", "desk"];
    desk.fleet
        .place
        .run(&args)
        .exits(0)
        .says("desk is let in no longer");
    for at in 0..2 {
        desk.run(&["--target", &name(at), "status"]).exits(5);
        desk.fleet.stop(at);
        desk.fleet.serve(at);
        desk.run(&["--target", &name(at), "status"]).exits(5);
    }
    let again = desk.fleet.place.run(&["--on", "*", "revoke", &desk.key]);
    again.exits(0).says("was not let in");
}

/// R3: whoever could let others in again stays, unless that is meant.
#[test]
fn the_last_who_may_do_everything_stays() {
    let desk = Desk::beside(Fleet::serving(1));
    let first = desk.first();
    let revoke = ["--target", "web-1", "revoke", &first];
    desk.authorize(&["--grants", "all", "--for", "30d"])
        .exits(0);
    desk.fleet
        .place
        .run(&revoke)
        .exits(1)
        .says("is the last client");
    desk.authorize(&["--grants", "all", "--replace"]).exits(0);
    desk.accept().exits(0);
    desk.run(&revoke).exits(0);
    desk.fleet
        .place
        .run(&["--target", "web-1", "status"])
        .exits(5);
    let last = ["--target", "web-1", "revoke", "desk"];
    desk.run(&last).exits(1).says("force the lockout");
}

/// R4: a pin that ends is let in no longer, whoever sleeps meanwhile.
#[test]
fn a_pin_ends_by_itself() {
    let desk = Desk::beside(Fleet::serving(1));
    desk.authorize(&["--for", "3s"]).exits(0);
    desk.accept().exits(0);
    let status = || desk.run(&["--target", "web-1", "status"]).code;
    let began = Instant::now();
    assert_eq!(status(), Some(0));
    // First no call is allowed it any more, then no handshake.
    while status() != Some(5) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it is let in for ever"
        );
    }
    let log = desk.fleet.place.ok(&["--target", "web-1", "log"]);
    assert!(log.contains("removed"), "{log}");
    let listed = desk
        .fleet
        .place
        .ok(&["--target", "web-1", "list-client-keys"]);
    assert!(listed.contains("ended"), "{listed}");
}

/// R5: a host that was copied with its keys is another one with another past.
#[test]
fn a_clone_of_a_target_is_noticed() {
    let mut fleet = Fleet::serving(1);
    fleet
        .place
        .ok(&["--target", "web-1", "provision", "--yes", "site.toml"]);
    fleet.place.ok(&["--target", "web-1", "status"]);
    fleet.stop(0);
    let state = fleet.place.path("state-web-1");
    std::fs::rename(&state, fleet.place.path("state-of-the-first")).unwrap();
    fleet.serve(0);
    let ran = fleet.place.run(&["--target", "web-1", "status"]);
    assert!(ran.err.contains("copy"), "{}{}", ran.out, ran.err);
}

/// The three lines of the page, typed by Ana, Bob and Ana.
#[test]
fn a_colleague_is_let_in_as_the_page_says() {
    let page = include_str!("../../docs/reference/keys.md");
    let (_, fence) = page.split_once("```sh\n").unwrap();
    let (fence, _) = fence.split_once("```").unwrap();
    let lines: Vec<Vec<String>> = fence
        .lines()
        .map(|line| {
            line.split(' ')
                .map(|word| word.trim_matches('\'').to_owned())
                .collect()
        })
        .collect();
    let [makes, authorizes, accepts] = &lines[..] else {
        panic!("three lines: {fence}")
    };
    let fleet = Fleet::serving(2);
    let typed = |keystore: &str, line: &[String], more: &[&str]| {
        assert_eq!(line[0], "hpt");
        let words = line[1..].iter().map(String::as_str);
        let words: Vec<_> = ["--json", "--keystore", keystore]
            .into_iter()
            .chain(words)
            .collect();
        fleet.place.ok(&[&words, more].concat())
    };
    let shown = |told: &str, of: &str| {
        let told: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
        told[of].as_str().unwrap().to_owned()
    };
    let key = shown(&typed("ana.db", makes, &[]), "key");
    let authorizes: Vec<_> = authorizes
        .iter()
        .map(|word| {
            if word.starts_with("hptclient1") {
                key.clone()
            } else {
                word.clone()
            }
        })
        .collect();
    typed("client.db", &authorizes, &[]);
    let bob = shown(&fleet.place.ok(&["--json", "show"]), "fingerprint");
    typed("ana.db", accepts, &["--from", &bob]);
    let args = [
        "--keystore",
        "ana.db",
        "--on",
        "web-*",
        "provision",
        "--yes",
        "site.toml",
    ];
    fleet.place.ok(&args);
}
