//! `[[sudoers]]`, `[[limits]]`, `[[cron]]`: a file of the block's own; and `[[assert]]`.

use super::*;

const SUDOERS: &str = "[[sudoers]]\nname = \"web\"\nrules = [\"web ALL=(ALL) ALL\"]\n";
const LIMITS: &str =
    "[[limits]]\ndomain = \"@web\"\ntype = \"-\"\nitem = \"nofile\"\nvalue = 4096\n";
const CRON: &str = "[[cron]]\nname = \"b\"\nspec = \"5 4  * * sun\"\ncommand = \"date +%F\"\n";

fn with_folders() -> Host {
    let mut host = Host::new();
    for at in ["/etc/cron.d", "/etc/security", "/etc/security/limits.d"] {
        host.inner.put(&directory(at));
    }
    host
}

#[test]
fn each_is_made_put_right_and_removed() {
    let mut host = with_folders();
    let limits = "/etc/security/limits.d/hpt-group-web-nofile-both.conf";
    let absent_limits = LIMITS.replace("value = 4096", "absent = true");
    for (text, absent, at, mode) in [
        (
            SUDOERS,
            "[[sudoers]]\nname = \"web\"\nabsent = true\n",
            "/etc/sudoers.d/web",
            0o440,
        ),
        (LIMITS, &absent_limits, limits, 0o644),
        (
            CRON,
            "[[cron]]\nname = \"b\"\nabsent = true\n",
            "/etc/cron.d/b",
            0o644,
        ),
    ] {
        assert_eq!(planned(absent, &host).0, Verdict::Ok, "{text}");
        assert_eq!(planned(text, &host).0, Verdict::Create, "{text}");
        settles(text, &mut host);
        assert_eq!(host.entry(at).unwrap().mode, Mode::new(mode));
        let right = host.text(at);
        host.inner.put(&written(at, "# by hand\n", mode));
        assert_eq!(planned(text, &host).0, Verdict::Update, "{text}");
        settles(text, &mut host);
        host.inner.put(&written(at, &right, 0o666));
        assert_eq!(planned(text, &host).0, Verdict::Update, "{text}");
        settles(text, &mut host);
        assert_eq!(host.text(at), right);
        assert_eq!(planned(absent, &host).0, Verdict::Delete, "{text}");
        settles(absent, &mut host);
        assert!(host.entry(at).is_none());
    }
}

#[test]
fn what_each_file_holds() {
    let mut host = with_folders();
    settles(&format!("{SUDOERS}{LIMITS}{CRON}"), &mut host);
    assert_eq!(host.text("/etc/sudoers.d/web"), "web ALL=(ALL) ALL\n");
    assert_eq!(
        host.text("/etc/security/limits.d/hpt-group-web-nofile-both.conf"),
        "@web - nofile 4096\n"
    );
    let cron = host.text("/etc/cron.d/b");
    assert!(cron.ends_with("\n5 4 * * sun root date +\\%F\n"), "{cron}");
    assert!(cron.starts_with("SHELL=/bin/sh\nPATH="), "{cron}");
}

#[test]
fn what_they_need_is_named_or_still_to_come() {
    let mut host = Host::new();
    host.inner.put(&Effect::Remove {
        path: path("/usr/sbin/visudo"),
        recursive: false,
    });
    for (text, words) in [
        (SUDOERS, "sudo is not installed"),
        (CRON, "cron is not installed"),
        (
            LIMITS,
            "the directory /etc/security/limits.d does not exist",
        ),
    ] {
        let why = blocked(text, &host);
        assert!(why.contains(words), "{why}");
        let with = config(&format!("packages = [\"cron\"]\n{text}"));
        assert_eq!(
            look(&with, &host).blocks[1].verdict,
            Verdict::Maybe,
            "{text}"
        );
    }
    let why = blocked(&format!("{CRON}user = \"ana\"\n"), &with_folders());
    assert!(why.contains("the user ana does not exist"), "{why}");
}

#[test]
fn a_new_sudoers_file_is_checked_by_visudo_first() {
    let rules = config(SUDOERS);
    let scope = Scope::default();
    let (host, overlay) = (
        Host::new(),
        hpt_provisioner::host::overlay::Overlay::default(),
    );
    let view = hpt_provisioner::view::View::new(&host, &overlay, &scope, &rules.blocks[0].own);
    let decision = rules.blocks[0].decide(&view).unwrap();
    let hpt_provisioner::block::Decision::Act(action) = decision else {
        panic!("it is to be made")
    };
    let [Effect::WriteFile(file)] = &action.effects[..] else {
        panic!("one file")
    };
    let check = file.verify.as_ref().map(|words| words.join(" "));
    assert_eq!(check.as_deref(), Some("/usr/sbin/visudo -c -f %s"));
}

#[test]
fn an_assertion_is_decided_when_planned_and_stops_a_run() {
    let host = &mut Host::new();
    let assert = |that: &str| {
        format!(
            "[vars]\nworkers = 3\n[[assert]]\nthat = \"{{{{ {that} }}}}\"\nmsg = \"too many\"\n"
        )
    };
    assert_eq!(planned(&assert("vars.workers < 4"), host).0, Verdict::Ok);
    assert_eq!(blocked(&assert("vars.workers < 3"), host), "too many");
    let text = assert("vars.workers < 3") + "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\n";
    let report = apply(&config(&text), host, &mut ());
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::NotRun]);
    assert!(host.entry("/etc/x").is_none());
}
