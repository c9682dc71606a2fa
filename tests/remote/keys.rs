//! New keys for the client: every target knows them in the end, and none is ever without keys that it knows.

use std::fs;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use super::fleet::{Fleet, name, states};
use super::serving::{Place, Ran};

const ROTATE: &[&str] = &["--json", "rotate-client-keys"];

impl Fleet {
    /// The same keys as they are now, in another file.
    fn keep_keys(&self, copy: &str) {
        fs::copy(self.place.path("client.db"), self.place.path(copy)).unwrap();
    }

    fn status(&self, at: usize) -> Ran {
        self.place.run(&["--target", &name(at), "status"])
    }

    fn status_by(&self, keystore: &str, at: usize) -> Option<i32> {
        let args = ["--keystore", keystore, "--target", &name(at), "status"];
        self.place.run(&args).code
    }

    /// The clients that a target obeys, as objects.
    fn clients(&self, at: usize) -> Vec<Value> {
        let args = ["--json", "--target", &name(at), "list-client-keys"];
        let out = self.place.ok(&args);
        let objects = out.lines().map(|line| serde_json::from_str(line).unwrap());
        objects
            .filter(|object: &Value| object["event"] == "client")
            .collect()
    }

    fn fingerprint(&self) -> String {
        let shown: Value = serde_json::from_str(&self.place.ok(&["--json", "show"])).unwrap();
        shown["fingerprint"].as_str().unwrap().to_owned()
    }

    /// Whether a target knows the newest keys, and these alone.
    fn is_settled(&self, at: usize) -> bool {
        let clients = self.clients(at);
        let [client] = &clients[..] else {
            panic!("{clients:?}")
        };
        client["fingerprint"] == self.fingerprint() && client["next"].is_null()
    }
}

/// One that sleeps keeps the old keys, is reached by them when it is there again, and follows.
#[test]
fn a_target_that_slept_follows_at_its_next_contact() {
    let mut fleet = Fleet::serving(3);
    fleet.stop(2);
    fleet.keep_keys("first.db");
    let ran = fleet.place.run(ROTATE);
    assert_eq!(
        states(&ran.out),
        ["web-1 done", "web-2 done", "web-3 unreachable"]
    );
    assert!((0..2).all(|at| fleet.is_settled(at)));
    assert_eq!(
        fleet.status_by("first.db", 0),
        Some(5),
        "the old keys are strangers"
    );
    let shown = fleet.place.ok(&["show", "web-3"]);
    assert!(shown.contains("it knows your keys before these"), "{shown}");

    // Once more before it has woken up.
    fleet.keep_keys("second.db");
    let ran = fleet.place.run(ROTATE);
    assert_eq!(states(&ran.out), ["web-3 unreachable"], "{}", ran.err);
    assert!(ran.err.contains("going on: 1 target"), "{}", ran.err);
    let ran = fleet.place.run(&[ROTATE, &["--again"]].concat());
    assert_eq!(
        states(&ran.out),
        ["web-1 done", "web-2 done", "web-3 unreachable"]
    );

    fleet.serve(2);
    let said = fleet.status(2).exits(0);
    assert!(!said.err.contains("does not know"), "{}", said.err);
    assert!((0..3).all(|at| fleet.is_settled(at)));
    for old in ["first.db", "second.db"] {
        assert!(
            (0..3).all(|at| fleet.status_by(old, at) == Some(5)),
            "{old}"
        );
    }
    let shown = fleet.place.ok(&["show", "web-3"]);
    assert!(!shown.contains("your keys"), "{shown}");
    let log = fleet.place.ok(&["--target", "web-3", "log"]);
    assert!(log.contains("pins"), "{log}");
}

/// Under a passphrase the new keys are under the same, which is asked for once.
#[test]
fn new_keys_are_under_the_same_passphrase() {
    let mut place = Place::new();
    let with_words = |place: &Place, args: &[&str]| {
        let args = [&["--passphrase-fd", "0"], args].concat();
        place.run_with(&args, "correct horse\n")
    };
    with_words(&place, &["gen-client-keys", "--force"]).exits(0);
    let at = format!("127.0.0.1:{}", place.port);
    place.ok(&[
        "gen-target-keys",
        "--target",
        "web1",
        "--ip",
        &at,
        "--force",
    ]);
    place.serve();
    with_words(&place, ROTATE).exits(0);
    place.web1(&["status"]).exits(9);
    with_words(&place, &["--target", "web1", "status"]).exits(0);
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// R1: 20 targets, 6 of them down, and either side killed at any moment. Each can be reached with what this
/// workstation has, at any time, and in the end each knows the new keys alone.
#[test]
fn whoever_is_killed_no_target_is_lost() {
    const ALL: usize = 20;
    let mut fleet = Fleet::serving(ALL);
    fleet.keep_keys("first.db");
    let down: Vec<usize> = (0..6).map(|n| n * 3 + 1).collect();
    for at in &down {
        fleet.stop(*at);
    }
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..12 {
        let again = round % 5 == 4;
        let args = [ROTATE, if again { &["--again"] } else { &[] }].concat();
        let mut client = fleet.place.command(&args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice(120)));
        if dice(2) == 0 {
            let victim = usize::try_from(dice(20)).unwrap();
            fleet.stop(victim);
            if !down.contains(&victim) {
                fleet.serve(victim);
            }
        }
        kill(&mut client);
        for at in (0..ALL).filter(|at| !down.contains(at)) {
            if dice(4) == 0 {
                fleet.status(at).exits(0);
            }
        }
    }
    for at in &down {
        fleet.serve(*at);
    }
    let ran = fleet.place.run(ROTATE);
    assert!(matches!(ran.code, Some(0)), "{}{}", ran.out, ran.err);
    for at in 0..ALL {
        assert!(fleet.is_settled(at), "{}", name(at));
        assert_eq!(fleet.status_by("first.db", at), Some(5), "{}", name(at));
    }
}
