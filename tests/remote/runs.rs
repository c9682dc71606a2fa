//! Runs that do what they are asked for, and what they say.

use std::fs;

use super::serving::Place;
use super::site;

#[test]
fn a_target_is_planned_and_provisioned_and_stays_so() {
    let place = Place::serving();
    site(&place);
    place.web1(&["status"]).exits(0).says("web1").says("no run");
    place.web1(&["facts"]).exits(0).says("arch");
    place
        .web1(&["plan", "site.toml"])
        .exits(0)
        .says("+ file:/etc/app.conf")
        .says("3 to create");
    assert_eq!(
        fs::read_dir(place.path("root")).unwrap().count(),
        0,
        "a plan changed the host"
    );
    place
        .web1(&["plan", "--detailed-exitcode", "site.toml"])
        .exits(2);

    place
        .web1(&["site.toml"])
        .exits(0)
        .says("changed  file:/etc/motd")
        .says("changed 3");
    assert_eq!(
        place.read("root/etc/app.conf"),
        "server_name example.org;\n"
    );
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");

    let again = place
        .web1(&["provision", "site.toml"])
        .exits(0)
        .says("3 in place, nothing to do");
    assert_eq!(again.out.lines().count(), 1, "{}", again.out);
    place
        .web1(&["plan", "--detailed-exitcode", "site.toml"])
        .exits(0);

    place.write("root/etc/motd", "Go away.\n");
    place
        .web1(&["plan", "site.toml"])
        .exits(0)
        .says("    - Go away.\n    + Welcome.\n");
}

#[test]
fn a_run_is_shown_again_and_undone() {
    let place = Place::serving();
    site(&place);
    place
        .web1(&["attach"])
        .exits(1)
        .says("nothing has run here");
    place.web1(&["undo"]).exits(1).says("no such run");
    place.web1(&["cancel"]).exits(1).says("no run goes on");
    place.write("root/etc/motd", "Go away.\n");
    place.web1(&["site.toml"]).exits(0).says("changed 2");
    place
        .web1(&["attach"])
        .exits(0)
        .says(", begun ")
        .says("changed  file:/etc/motd")
        .says("changed 2");
    place
        .web1(&["undo", "--plan"])
        .exits(0)
        .says("~ file:/etc/motd")
        .says("2 blocks to put back, 0 not or not wholly");
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");
    place
        .web1(&["undo", "--yes"])
        .exits(0)
        .says("reverted file:/etc/motd")
        .says("reverted 2");
    assert_eq!(place.read("root/etc/motd"), "Go away.\n");
    assert!(!place.path("root/etc/app.conf").exists());
}

#[test]
fn a_config_of_many_files_arrives_with_the_values_of_its_target() {
    let place = Place::serving();
    place.write("conf/site.toml", INCLUDING);
    place.write(
        "conf/common.toml",
        "[vars]\nport = 1\n[[file]]\npath = \"/etc\"\ndir = true\n",
    );
    place.write(
        "conf/conf.d/10-motd.toml",
        "[[file]]\npath = \"/etc/motd\"\nsource = \"x\"\n",
    );
    place.write("conf/conf.d/x", "Welcome.\n");
    place.write("conf/roles/web/role.toml", ROLE);
    place.write(
        "conf/roles/web/x",
        "{{ params.name }} {{ vars.port }} {{ target.groups[0] }}\n",
    );
    place.write(
        "conf/targets.toml",
        "[target.web1]\ngroups = [\"web\"]\n[group.web.vars]\nport = 2\n",
    );
    place
        .web1(&["plan", "conf/site.toml"])
        .exits(0)
        .says("+ file:/etc/shop")
        .says("4 to create");
    place.web1(&["conf/site.toml"]).exits(0).says("changed 4");
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");
    assert_eq!(place.read("root/etc/shop"), "shop 2 web\n");
    let host = place.read("root/etc/hosted");
    assert!(
        host.ends_with(" 2 web\n") && !host.contains("facts"),
        "{host}"
    );
    place
        .web1(&["provision", "--var", "port=3", "conf/site.toml"])
        .exits(0)
        .says("changed 2");
    assert_eq!(place.read("root/etc/shop"), "shop 3 web\n");
    let plan = place.web1(&["--json", "plan", "conf/site.toml"]).exits(0);
    assert!(
        plan.out
            .contains("\"file\":\"conf/roles/web/role.toml\",\"line\":5"),
        "{}",
        plan.out
    );
    // What only the target can find is told in the file where it is.
    place.write(
        "conf/conf.d/20.toml",
        "[[group]]\nname = \"{{ facts.os_name }} !\"\n",
    );
    place
        .web1(&["plan", "conf/site.toml"])
        .exits(3)
        .says("conf/conf.d/20.toml:2:8");
}

const INCLUDING: &str = r#"
include = [
    "common.toml",
    "conf.d/",
    { role = "roles/web", name = "shop" },
    { role = "roles/web", name = "{{ facts.hostname }}", file = "hosted" },
]
"#;

const ROLE: &str = r#"[params]
name = {}
file = { default = "shop" }

[[file]]
path = "/etc/{{ params.file }}"
template = "x"
"#;

#[test]
fn programs_get_one_object_a_line_and_nothing_else() {
    let place = Place::serving();
    site(&place);
    let mut events = Vec::new();
    for args in [
        &["status"][..],
        &["facts"],
        &["plan", "site.toml"],
        &["provision", "site.toml"],
        &["provision", "site.toml"],
        &["provision", "none.toml"],
    ] {
        for line in place.web1(&[&["--json"], args].concat()).out.lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect(line);
            events.push(object["event"].as_str().expect(line).to_owned());
        }
    }
    let run = [
        "plan", "begun", "started", "started", "started", "finished", "finished", "finished",
        "report",
    ];
    let all = [
        &["status", "facts", "plan"][..],
        &run,
        &["plan", "report", "error"],
    ]
    .concat();
    events.sort();
    let mut all = all;
    all.sort_unstable();
    assert_eq!(events, all);
}

#[test]
fn blobs_of_any_size_arrive_whole() {
    let place = Place::serving();
    let sizes = [0, 1, 255, 65_536, 65_537, 262_144, 1_048_577, 9_000_001];
    let mut text = String::new();
    for size in sizes {
        let bytes: Vec<u8> = (0..size)
            .map(|i: usize| u8::try_from(i * 7 % 251).unwrap())
            .collect();
        place.write(&format!("files/{size}"), bytes);
        text += &format!("[[file]]\npath = \"/{size}\"\nsource = \"files/{size}\"\n");
    }
    place.write("site.toml", text);
    place
        .web1(&["provision", "site.toml"])
        .exits(0)
        .says("changed 8");
    for size in sizes {
        let sent = fs::read(place.path(format!("files/{size}"))).unwrap();
        assert!(
            fs::read(place.path(format!("root/{size}"))).unwrap() == sent,
            "{size}"
        );
    }
    place
        .web1(&["provision", "site.toml"])
        .exits(0)
        .says("8 in place, nothing to do");
}

#[test]
fn logs_come_when_they_are_asked_for_and_on_stderr() {
    let place = Place::serving();
    let quiet = place.web1(&["status"]).exits(0);
    assert_eq!(quiet.err, "");
    let mut command = place.command(&["--target", "web1", "--json", "status"]);
    let output = command
        .env("HPT_LOG", "hyper_util=trace,h2=debug")
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("DEBUG") || log.contains("TRACE"), "{log}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    assert!(place.read("serve.log").contains("listening on 127.0.0.1"));
}

/// A block is asked for by whatever its config calls it, and what is gone is said to be gone.
#[test]
fn why_finds_a_block_by_its_own_name_and_says_what_is_gone() {
    let place = Place::serving();
    let text = "[[file]]\nid = \"named1\"\npath = \"/motd\"\ncontent = \"\"\n";
    place.write("motd.toml", text);
    place.web1(&["motd.toml"]).exits(0);
    place
        .web1(&["why", "named1"])
        .exits(0)
        .says("owned by  named1 of config motd");
    let there = place.web1(&["why", "/motd"]).exits(0);
    assert!(!there.out.contains("not there any more"), "{}", there.out);
    fs::remove_file(place.path("root/motd")).unwrap();
    for what in ["named1", "/motd"] {
        place
            .web1(&["why", what])
            .exits(0)
            .says("it is not there any more");
    }
    place
        .web1(&["--json", "why", "/motd"])
        .exits(0)
        .says("\"gone\":true");
    place
        .web1(&["why", "nosuch"])
        .exits(1)
        .says("no block has this id");
}
