//! `[[service]]` and `[[handler]]` for the units of a user.

use super::*;

const ENABLED: &str =
    "[[service]]\nname = \"app\"\nscope = \"user:ana\"\nstatus = \"started\"\nenabled = true\n";
const UNIT: &str = "[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=default.target\n";
const AT: &str = "/home/ana/.config/systemd/user/app.service";

fn of_ana(name: &str) -> UnitId {
    UnitId {
        scope: UnitScope::parse("user:ana").unwrap(),
        name: UnitName::service(name).unwrap(),
    }
}

fn start(unit: UnitId) -> Effect {
    let job = hpt_provisioner::effect::UnitJob::Start;
    Effect::Unit { unit, job }
}

/// Ana, who has number 1000, and where her units lie; her systemd does not run.
fn with_ana() -> Host {
    let mut host = Host::new();
    host.inner.put(&Effect::User(UserEdit::Add {
        name: UserName::parse("ana").unwrap(),
        as_: UserShape {
            uid: Some(1000),
            home: Some(path("/home/ana")),
            ..UserShape::default()
        },
        system: false,
        create_home: true,
    }));
    for dir in ["", "/.config", "/.config/systemd", "/.config/systemd/user"] {
        host.inner.put(&directory(&format!("/home/ana{dir}")));
    }
    host.inner.put_unit(UnitId::manager(1000));
    host
}

/// The same, and her systemd runs.
fn asked() -> Host {
    let mut host = with_ana();
    host.inner.put(&start(UnitId::manager(1000)));
    host
}

#[test]
fn a_users_unit_is_another_than_the_hosts_of_that_name() {
    let mut host = asked();
    host.inner.put_unit(of_ana("app"));
    let system = ENABLED.replace("scope = \"user:ana\"\n", "");
    assert!(blocked(&system, &host).contains("there is no unit app.service on"));
    assert_eq!(planned(ENABLED, &host).1, "enable, start");
    settles(ENABLED, &mut host);
    assert!(blocked(&system, &host).contains("there is no unit app.service on"));
    host.inner.put_unit(UnitName::service("app").unwrap());
    // Both in one config: their ids differ too.
    let plan = look(&config(&format!("{system}{ENABLED}")), &host);
    let seen = plan.blocks.iter().map(|b| (b.id.as_str(), b.verdict));
    let wanted = [
        ("service:app", Verdict::Update),
        ("service:ana/app", Verdict::Ok),
    ];
    assert!(seen.eq(wanted), "{plan:?}");
}

#[test]
fn a_unit_comes_and_goes_with_the_file_of_an_earlier_block() {
    let mut host = asked();
    assert!(blocked(ENABLED, &host).contains("there is no unit app.service of ana"));
    let file = format!("[[file]]\npath = \"{AT}\"\ncontent = '''\n{UNIT}'''\n");
    let both = format!("{file}{ENABLED}");
    let plan = look(&config(&both), &host);
    assert_eq!(plan.blocks[1].summary, "enable, start", "{plan:?}");
    settles(&both, &mut host);

    let lacks = UNIT.split_once("[Install]").unwrap().0;
    let fixed = format!("[[file]]\npath = \"{AT}\"\ncontent = '''\n{lacks}'''\n{ENABLED}");
    let mut fresh = asked();
    let plan = look(&config(&fixed), &fresh);
    assert!(plan.blocks[1].summary.contains("it is static"), "{plan:?}");
    fresh.inner.put_unit(of_ana("app"));
    fresh.inner.put(&written(AT, UNIT, 0o644));
    let gone = format!("[[file]]\npath = \"{AT}\"\nabsent = true\n{ENABLED}");
    let plan = look(&config(&gone), &fresh);
    assert!(
        plan.blocks[1].summary.contains("there is no unit"),
        "{plan:?}"
    );
}

#[test]
fn a_users_unit_is_masked_in_the_users_own_place() {
    let mut host = asked();
    host.inner.put_unit(of_ana("app"));
    let mask = "[[service]]\nname = \"app\"\nscope = \"user:ana\"\nmasked = true\n";
    settles(mask, &mut host);
    assert!(host.entry(AT).is_some());
    assert!(host.entry("/etc/systemd/system/app.service").is_none());
    settles(&mask.replace("true", "false"), &mut host);
    host.inner.put(&written(AT, UNIT, 0o644));
    let why = blocked(mask, &host);
    assert!(why.contains(AT) && why.contains("[[file]]"), "{why}");
}

#[test]
fn a_systemd_that_does_not_run_is_told_with_what_starts_it() {
    let mut host = Host::new();
    let why = blocked(ENABLED, &host);
    assert!(why.contains("ana") && why.contains("[[user]]"), "{why}");
    // Who is made by this run has no systemd that could be asked yet.
    let made = format!("[[user]]\nname = \"ana\"\n{ENABLED}");
    let plan = look(&config(&made), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe, "{plan:?}");

    host = with_ana();
    let why = blocked(ENABLED, &host);
    assert!(why.contains("\"loginctl enable-linger ana\""), "{why}");
    assert!(
        why.contains("creates = \"/var/lib/systemd/linger/ana\""),
        "{why}"
    );
    let handler = "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nnotify = [\"app\"]\n\
                   [[handler]]\nname = \"app\"\nrestart = \"app\"\nscope = \"user:ana\"\n";
    let plan = look(&config(handler), &host);
    assert!(plan.blocks[1].summary.contains("enable-linger"), "{plan:?}");

    // A block that starts it, and a command that says it does.
    let begins = "[[service]]\nname = \"user@1000\"\nstatus = \"started\"\n";
    let lingers = "[[exec]]\nscript = \"loginctl enable-linger ana\"\ncreates = \"/var/lib/systemd/linger/ana\"\n";
    for first in [begins, lingers] {
        let plan = look(&config(&format!("{first}{ENABLED}")), &host);
        assert_eq!(plan.blocks[1].verdict, Verdict::Maybe, "{plan:?}");
    }
    host.inner.put(&directory("/var/lib/systemd/linger"));
    host.inner
        .put(&written("/var/lib/systemd/linger/ana", "", 0o644));
    let why = blocked(ENABLED, &host);
    assert!(
        why.contains("though it is to linger") && why.contains("\"user@1000.service\""),
        "{why}"
    );

    host.inner.put_unit(of_ana("app"));
    settles(&format!("{begins}{ENABLED}"), &mut host);
}

#[test]
fn a_handler_restarts_the_unit_of_its_scope() {
    let mut host = asked();
    host.inner.put_unit(of_ana("app"));
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nnotify = [\"mine\", \"again\"]\n\
                [[handler]]\nname = \"again\"\nreload = \"app\"\nscope = \"user:ana\"\n\
                [[handler]]\nname = \"mine\"\nrestart = \"app\"\nscope = \"user:ana\"\n";
    host.inner.put(&start(of_ana("app")));
    let plan = look(&config(text), &host);
    let words: Vec<_> = plan.blocks.iter().map(|b| b.summary.as_str()).collect();
    assert!(
        words[2].starts_with("restart app.service of ana"),
        "{words:?}"
    );
    assert_eq!(
        plan.blocks[1].verdict,
        Verdict::Ok,
        "the restart supersedes it"
    );
    settles(text, &mut host);
}

#[test]
fn in_a_root_nothing_is_asked_of_a_users_systemd() {
    let mut host = with_ana();
    host.powers.services = false;
    host.powers.exec = false;
    let (verdict, words) = planned(&ENABLED.replace("enabled = true\n", ""), &host);
    assert_eq!(verdict, Verdict::Skip, "{words}");
    assert!(blocked(ENABLED, &host).contains("[[file]] blocks"));
}
