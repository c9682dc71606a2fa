//! Who and what is refused, with an exit code of its own.

use std::fs;

use hpt_agent::Places;
use hpt_agent::lock::Lock;
use hpt_keystore::{Existing, Grants, target};
use hpt_proto::Running;

use super::serving::Place;
use super::site;

#[test]
fn a_stranger_and_nobody_are_unreachable() {
    let place = Place::serving();
    site(&place);
    let other = Place::new();
    let address = format!("127.0.0.1:{}", place.port);
    let stranger = other.run(&["--target", "web1", "--ip", &address, "status"]);
    stranger
        .exits(5)
        .says("does not know this client's key")
        .says("hint: ");
    let nobody = other.run(&["--target", "web1", "status"]);
    nobody.exits(5).says("Connection refused").says("hint: ");
    other.ok(&["gen-target-keys", "--target", "lost"]);
    other
        .run(&["--target", "lost", "status"])
        .exits(5)
        .says("not known where lost is")
        .says("--ip");
    other
        .run(&["--target", "wbe1", "status"])
        .exits(9)
        .says("did you mean `web1`?");
}

#[test]
fn a_host_that_is_held_is_busy() {
    let place = Place::serving();
    site(&place);
    place.web1(&["plan", "site.toml"]).exits(0);
    let places = Places {
        run: place.path("state/run"),
        ..Places::default()
    };
    let running = Running {
        run: "4f2a".to_owned(),
        by: "laptop".to_owned(),
        since: 1_795_240_000,
    };
    let lock = Lock::take(&places, &running).unwrap();
    let busy = place.web1(&["provision", "site.toml"]).exits(6);
    busy.says("run 4f2a of laptop has held it for")
        .says("nothing was done");
    place.web1(&["status"]).exits(0).says("run 4f2a of laptop");
    place
        .web1(&["plan", "site.toml"])
        .exits(0)
        .says("3 to create");
    drop(lock);
    place.web1(&["provision", "site.toml"]).exits(0);
}

#[test]
fn what_a_key_may_not_do_is_not_allowed() {
    let mut place = Place::new();
    site(&place);
    let path = place.path("web1.keystore");
    let mut keys = target::load(&path).unwrap();
    keys.clients[0].grants = Grants::parse("status plan").unwrap();
    let own = keys.own.open(&path, None).unwrap();
    target::write_new(&path, own, &keys.clients, Existing::Replace).unwrap();
    place.serve();
    place.web1(&["status"]).exits(0);
    place.web1(&["plan", "site.toml"]).exits(0);
    place
        .web1(&["provision", "site.toml"])
        .exits(4)
        .says("does not have the grant apply");
    place
        .web1(&["facts"])
        .exits(4)
        .says("does not have the grant facts");
    assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0);
}

#[test]
fn a_fault_that_only_the_target_sees_points_into_the_local_file() {
    let place = Place::serving();
    place.write(
        "site.toml",
        "[[file]]\npath = \"/x\"\ncontent = \"{{ facts.hostname.nonsense }}\"\n",
    );
    place.ok(&["check", "site.toml"]);
    let wrong = place.web1(&["provision", "site.toml"]).exits(3);
    wrong
        .says("site.toml:3:")
        .says("content = \"{{ facts.hostname.nonsense }}\"");
    assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0);
}
