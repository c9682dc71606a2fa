//! A target on loopback, from the workstation's terminal: every exit code that needs one.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::format_push_string, reason = "texts of tests are short")]

mod serving;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use hpt_keystore::{Existing, Grants, target};
use rustix::fs::FlockOperation;
use serving::{HPT, Place};

const SITE: &str = r#"
[vars]
domain = "example.org"

[[file]]
path = "/etc"
dir = true

[[file]]
path = "/etc/app.conf"
template = "files/app.conf.j2"
mode = "0640"

[[file]]
path = "/etc/motd"
source = "files/motd"
"#;

fn site(place: &Place) {
    place.write("site.toml", SITE);
    place.write("files/app.conf.j2", "server_name {{ vars.domain }};\n");
    place.write("files/motd", "Welcome.\n");
}

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
    let lock = place.path("state/run/lock");
    place.write("state/run/lock", "4f2a\nlaptop\n1795240000\n");
    let file = fs::File::open(&lock).unwrap();
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    let busy = place.web1(&["provision", "site.toml"]).exits(6);
    busy.says("run 4f2a of laptop has held it for")
        .says("nothing was done");
    place.web1(&["status"]).exits(0).says("run 4f2a of laptop");
    place
        .web1(&["plan", "site.toml"])
        .exits(0)
        .says("3 to create");
    drop(file);
    place.web1(&["provision", "site.toml"]).exits(0);
}

#[test]
fn what_a_key_may_not_do_is_not_allowed() {
    let mut place = Place::new();
    site(&place);
    let path = place.path("web1.keystore");
    let mut keys = target::load(&path).unwrap();
    keys.clients[0].grants = Grants::parse("status plan").unwrap();
    target::write_new(&path, keys.own, &keys.clients, Existing::Replace).unwrap();
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

#[test]
fn a_question_is_asked_on_a_terminal_and_only_yes_is_yes() {
    let place = Place::serving();
    site(&place);
    let on_tty = |answer: &str| {
        let (code, shown) = on_terminal(&place, answer, || ());
        assert_eq!(code, Some(0), "{shown}");
        shown
    };
    let shown = on_tty("n\n");
    assert!(shown.contains("Apply to web1? [y/N]"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0);
    let shown = on_tty("y\n");
    assert!(
        shown.contains("\x1b[33mchanged"),
        "colour repeats the word: {shown}"
    );
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");
}

/// What a person agrees to is the plan that was shown, and not what it has become meanwhile.
#[test]
fn an_apply_is_bound_to_the_plan_that_was_shown() {
    let place = Place::serving();
    site(&place);
    place.web1(&["provision", "site.toml"]).exits(0);
    place.write("root/etc/motd", "One.\n");
    let meddle = || place.write("root/etc/motd", "Two and three.\n");
    let (code, shown) = on_terminal(&place, "y\n", meddle);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("has changed since plan"), "{shown}");
    assert_eq!(place.read("root/etc/motd"), "Two and three.\n");
}

/// A plan that is kept in a file is applied by that file alone, and only while it holds.
#[test]
fn a_kept_plan_is_applied_or_names_the_block_that_moved() {
    let place = Place::serving();
    site(&place);
    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.ok(&["provision", "--plan", "web1.plan"]);
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");

    place.write("root/etc/motd", "One.\n");
    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.write("root/etc/motd", "Two.\n");
    let refused = place.run(&["provision", "--plan", "web1.plan"]).exits(1);
    refused.says("what differs: file:/etc/motd");
    assert_eq!(place.read("root/etc/motd"), "Two.\n");

    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.write("site.toml", place.read("site.toml") + "# as before\n");
    let refused = place.run(&["provision", "--plan", "web1.plan"]).exits(1);
    refused.says("site.toml has changed since the plan was made");
    let elsewhere = ["--target", "web2", "provision", "--plan", "web1.plan"];
    place.run(&elsewhere).exits(64).says("a plan for web1");
    assert_eq!(place.read("root/etc/motd"), "Two.\n");
}

/// `hpt --target web1 provision site.toml` on a terminal, which `script` is: its exit code and what
/// it showed. When it asks, `meddle` is done and then answered.
fn on_terminal(place: &Place, answer: &str, meddle: impl FnOnce()) -> (Option<i32>, String) {
    let line = format!("{HPT} --target web1 provision site.toml");
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.path(""));
    for (name, value) in place.command(&[]).env("TERM", "xterm").get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = terminal
        .spawn()
        .expect("script is there (apt install bsdutils)");
    let (mut shown, mut byte) = (Vec::new(), [0]);
    let mut out = child.stdout.take().unwrap();
    while !shown.ends_with(b"[y/N] ") && out.read(&mut byte).unwrap() == 1 {
        shown.push(byte[0]);
    }
    meddle();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(answer.as_bytes())
        .unwrap();
    out.read_to_end(&mut shown).unwrap();
    let code = child.wait().unwrap().code();
    (code, String::from_utf8(shown).unwrap())
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_alone() {
    let place = Place::serving();
    let sealed = Place::new();
    fs::remove_file(sealed.path("client.db")).unwrap();
    let make = ["gen-client-keys", "--passphrase-fd", "0"];
    sealed.run_with(&make, "correct horse\n").exits(0);
    sealed
        .run(&["gen-target-keys", "--target", "web2", "--ip", "127.0.0.1:1"])
        .exits(0);
    let status = ["--target", "web2", "--passphrase-fd", "0", "status"];
    sealed
        .run_with(&status, "wrong\n")
        .exits(9)
        .says("wrong passphrase");
    sealed
        .run_with(&status, "correct horse\n")
        .exits(5)
        .says("Connection refused");
    sealed
        .run(&["--target", "web2", "status"])
        .exits(9)
        .says("--passphrase-fd");
    drop(place);
}

/// S1: the value of a secret is on the host where it belongs, and nowhere else.
#[test]
fn a_secret_is_shown_nowhere() {
    const CANARY: &str = "canary-5f1d0c3e";
    let place = Place::serving();
    place.write("db", format!("{CANARY}\n"));
    place.write(
        "site.toml",
        "[secret.db]\nfile = \"db\"\n[[file]]\npath = \"/env\"\ncontent = \"DB={{ secret.db }}\\n\"\n",
    );
    let wrong = "[secret.db]\nfile = \"db\"\n[[file]]\npath = \"/env\"\ncontent = \"{{ secret.db + 1 }}\"\n";
    place.write("wrong.toml", wrong);
    for args in [
        &["-vvv", "plan", "site.toml"][..],
        &["-vvv", "--json", "plan", "site.toml"],
        &["-vvv", "provision", "site.toml"],
        &["-vvv", "--json", "provision", "site.toml"],
        &["-vvv", "provision", "wrong.toml"],
        &["-vvv", "--json", "provision", "wrong.toml"],
    ] {
        let ran = place.web1(args);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(!all.contains(CANARY), "{args:?}\n{all}");
    }
    assert_eq!(place.read("root/env"), format!("DB={CANARY}\n"));
    assert!(!place.read("serve.log").contains(CANARY));
    for entry in fs::read_dir(place.path("state/blobs")).unwrap() {
        let kept = fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !String::from_utf8_lossy(&kept).contains(CANARY),
            "it lies in the blob store"
        );
    }
}

/// H15: a process that holds keys leaves no core.
#[test]
fn no_core_is_left() {
    let place = Place::serving();
    let limits = fs::read_to_string(format!("/proc/{}/limits", place.server_id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{line}");
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
