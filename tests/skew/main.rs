//! This hpt and the version before it, one at each end, and one on what the other has left.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "../serving/mod.rs"]
mod serving;

use std::path::{Path, PathBuf};
use std::process::Command;

use serving::{HPT, Place};

const CONFIG: &str = r#"
[vars]
host = "example.org"

[[file]]
path = "/etc"
dir = true

[[file]]
path = "/etc/app.conf"
content = "server_name {{ vars.host }};\n"

[[file]]
path = "/etc/motd"
source = "motd"
mode = "0640"

[[file]]
path = "/etc/token"
content = "{{ secret.token }}\n"

[secret.token]
file = "token"
"#;

/// The one of `tests/skew/build`, or nothing and a word why.
fn before() -> Option<PathBuf> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skew/build");
    let target = Path::new(HPT).ancestors().nth(2).unwrap();
    let mut place = Command::new(build);
    let place = place.arg("where").env("CARGO_TARGET_DIR", target).output();
    let place = place.unwrap();
    assert!(place.status.success(), "{place:?}");
    let path = PathBuf::from(String::from_utf8(place.stdout).unwrap().trim_end());
    if path.exists() {
        return Some(path);
    }
    let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
    assert!(!insists, "missing: {}", path.display());
    eprintln!("skipped, for want of the version before: tests/skew/build makes it");
    None
}

/// What is put on the host, and a first run of it.
fn provision(place: &Place) {
    place.write("site.toml", CONFIG);
    place.write("motd", "Welcome.\n");
    place.write("token", "correct-horse-battery");
    let plan = place.web1(&["plan", "site.toml"]).exits(0);
    plan.says("+ file:/etc/app.conf").says("4 to create");
    place
        .web1(&["provision", "--yes", "site.toml"])
        .exits(0)
        .says("changed 4");
    assert_eq!(
        place.read("root/etc/app.conf"),
        "server_name example.org;\n"
    );
}

/// All that is asked of what a run has left, and its undo.
fn ask(place: &Place) {
    place.web1(&["status"]).exits(0).says("no run");
    place.web1(&["ping"]).exits(0).says("ready");
    place.web1(&["facts"]).exits(0).says("arch");
    place.web1(&["attach"]).exits(0).says("changed 4");
    let again = place.web1(&["provision", "--yes", "site.toml"]).exits(0);
    again.says("4 in place, nothing to do");
    place.web1(&["drift"]).exits(0);
    place.web1(&["why", "/etc/motd"]).exits(0).says("site.toml");
    place.web1(&["log"]).exits(0).says("run ended");
    place.web1(&["audit", "verify"]).exits(0);
    place.write("root/etc/app.conf", "server_name example.com;\n");
    place.web1(&["drift"]).exits(2).says("/etc/app.conf");
    place
        .web1(&["provision", "--yes", "site.toml"])
        .exits(0)
        .says("changed 1");
    place.web1(&["undo", "--yes"]).exits(0);
    assert_eq!(
        place.read("root/etc/app.conf"),
        "server_name example.com;\n"
    );
}

#[test]
fn a_client_and_a_target_of_two_versions_talk_to_each_other() {
    let Some(before) = before() else { return };
    let now = Path::new(HPT);
    for (client, server) in [(now, before.as_path()), (before.as_path(), now)] {
        let mut place = Place::of(client, server);
        place.serve();
        provision(&place);
        ask(&place);
    }
}

/// An upgrade, and one back: what the one has written down is read by the other.
#[test]
fn what_one_version_has_left_on_a_host_the_other_goes_on_with() {
    let Some(before) = before() else { return };
    let now = Path::new(HPT);
    for (first, then) in [(before.as_path(), now), (now, before.as_path())] {
        let mut place = Place::of(first, first);
        place.serve();
        provision(&place);
        place.stop();
        for program in [&mut place.server_program, &mut place.client_program] {
            then.clone_into(program);
        }
        place.serve();
        ask(&place);
    }
}

/// It says what to do about a target that cannot be upgraded so.
#[test]
fn a_target_that_knows_no_upgrade_says_so() {
    let Some(before) = before() else { return };
    let mut place = Place::of(Path::new(HPT), &before);
    place.serve();
    let program = before.to_str().unwrap();
    let refused = place.web1(&["upgrade", "--program", program]).exits(1);
    refused.says("older than the client").says("from then on");
}
