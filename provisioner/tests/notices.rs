//! Handlers: due once, at the end or at a flush, kept for the next run if this one does not get there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scaffold;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config};
use hpt_provisioner::effect::Effect;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::name::UnitName;
use hpt_provisioner::plan::{Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome, Report};
use hpt_provisioner::run::{Witness, apply};
use scaffold::{config, files};

/// Hears nothing, and cancels after so many blocks.
struct Until(usize);

impl Witness for Until {
    fn tell(&mut self, event: Event) {
        if matches!(event, Event::Finished(_)) {
            self.0 = self.0.saturating_sub(1);
        }
    }

    fn go_on(&mut self) -> bool {
        self.0 > 0
    }
}

fn host() -> Memory {
    let mut host = Memory::new(Facts::default());
    for name in ["web.service", "app.service"] {
        let name = UnitName::parse(name).unwrap();
        host.put_unit(name.clone());
        let job = hpt_provisioner::effect::UnitJob::Start;
        host.put(&Effect::Unit {
            unit: name.into(),
            job,
        });
    }
    host
}

fn run(config: &Config, host: &mut Memory) -> Report {
    apply(config, host, &mut Until(1000))
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.blocks.iter().map(|b| b.outcome).collect()
}

fn verdicts(config: &Config, host: &Memory) -> Vec<(Verdict, String)> {
    let plan = plan(config, host, Reveal::Content);
    plan.blocks
        .into_iter()
        .map(|b| (b.verdict, b.summary))
        .collect()
}

const SITE: &str = r#"
[[handler]]
name = "web"
reload = "web"
[[file]]
path = "/etc/a"
content = "a"
notify = ["web"]
[[file]]
path = "/etc/b"
content = "b"
notify = ["web"]
"#;

#[test]
fn a_handler_runs_once_and_last_and_only_if_something_changed() {
    let (config, mut host) = (config(SITE), host());
    let planned = verdicts(&config, &host);
    assert_eq!(
        planned[2],
        (
            Verdict::Run,
            "reload web.service, because of file:/etc/a".to_owned()
        )
    );
    assert_eq!(outcomes(&run(&config, &mut host)), [Outcome::Changed; 3]);
    let again = plan(&config, &host, Reveal::Content);
    assert!(again.is_empty(), "{again:#?}");
    assert_eq!(outcomes(&run(&config, &mut host)), [Outcome::Ok; 3]);
}

#[test]
fn handlers_of_what_changed_run_though_a_later_block_fails() {
    let text =
        format!("{SITE}[[file]]\npath = \"/none/c\"\ncontent = \"\"\n[[group]]\nname = \"g\"\n");
    let (config, mut host) = (config(&text), host());
    let (changed, failed, not_run) = (Outcome::Changed, Outcome::Failed, Outcome::NotRun);
    assert_eq!(
        outcomes(&run(&config, &mut host)),
        [changed, changed, failed, not_run, changed]
    );
}

#[test]
fn a_handler_that_did_not_run_is_due_in_the_next_run() {
    for cut in ["settings", "cancel"] {
        let settings = "[settings]\nflush_on_fail = false\n";
        let text = format!("{settings}{SITE}[[file]]\npath = \"/none/c\"\ncontent = \"\"\n");
        let mut host = host();
        if cut == "settings" {
            let report = run(&config(&text), &mut host);
            assert_eq!(outcomes(&report)[3], Outcome::NotRun);
        } else {
            let _ = apply(&config(SITE), &mut host, &mut Until(2));
        }
        let config = config(SITE);
        let planned = verdicts(&config, &host);
        assert_eq!(
            planned[2],
            (
                Verdict::Run,
                "reload web.service, because of an earlier run".to_owned()
            )
        );
        let (ok, changed) = (Outcome::Ok, Outcome::Changed);
        assert_eq!(outcomes(&run(&config, &mut host)), [ok, ok, changed]);
        assert!(plan(&config, &host, Reveal::Content).is_empty());
    }
}

#[test]
fn what_never_acted_notifies_nobody() {
    let text = "[[file]]\npath = \"/none/a\"\ncontent = \"\"\n[[file]]\npath = \"/etc/b\"\ncontent = \"\"\nnotify = [\"web\"]\n[[handler]]\nname = \"web\"\nreload = \"web\"\n";
    let (config, mut host) = (config(text), host());
    let report = run(&config, &mut host);
    assert_eq!(outcomes(&report)[1..], [Outcome::NotRun, Outcome::Ok]);
    assert_eq!(
        verdicts(&config, &host)[2].1,
        "reload web.service, because of file:/etc/b"
    );
}

#[test]
fn a_restart_makes_a_reload_needless() {
    let text = format!(
        "{SITE}[[handler]]\nname = \"again\"\nrestart = \"web\"\n[[file]]\npath = \"/etc/c\"\ncontent = \"\"\nnotify = [\"again\"]\n"
    );
    let (config, mut host) = (config(&text), host());
    let planned: Vec<_> = verdicts(&config, &host)
        .into_iter()
        .map(|(v, _)| v)
        .collect();
    assert_eq!(planned[3..], [Verdict::Ok, Verdict::Run]);
    assert_eq!(
        outcomes(&run(&config, &mut host))[3..],
        [Outcome::Ok, Outcome::Changed]
    );
    assert!(plan(&config, &host, Reveal::Content).is_empty());
}

#[test]
fn a_restart_makes_a_reload_needless_wherever_it_stands() {
    let again = "[[handler]]\nname = \"again\"\nrestart = \"web\"\n";
    let text =
        format!("{again}[[file]]\npath = \"/etc/c\"\ncontent = \"\"\nnotify = [\"again\"]\n{SITE}");
    let (config, mut host) = (config(&text), host());
    let kinds: Vec<_> = config.blocks.iter().map(|b| b.id.clone()).collect();
    assert_eq!(kinds[3..], ["handler:again", "handler:web"]);
    let planned: Vec<_> = verdicts(&config, &host)
        .into_iter()
        .map(|(v, _)| v)
        .collect();
    assert_eq!(planned[3..], [Verdict::Run, Verdict::Ok]);
    assert_eq!(
        outcomes(&run(&config, &mut host))[3..],
        [Outcome::Changed, Outcome::Ok]
    );
    assert!(plan(&config, &host, Reveal::Content).is_empty());
}

#[test]
fn a_flush_runs_what_is_due_there() {
    let text = format!("{SITE}[[flush]]\n[[group]]\nname = \"g\"\n");
    let (config, mut host) = (config(&text), host());
    let planned = verdicts(&config, &host);
    assert_eq!(planned[2].0, Verdict::Run);
    assert_eq!(planned[4].0, Verdict::Ok);
    let (ok, changed) = (Outcome::Ok, Outcome::Changed);
    assert_eq!(
        outcomes(&run(&config, &mut host)),
        [changed, changed, changed, changed, ok]
    );
    assert!(plan(&config, &host, Reveal::Content).is_empty());
}

#[test]
fn a_block_that_may_change_makes_a_handler_perhaps() {
    let text = "[[exec]]\nscript = \"x\"\nonly_if = \"y\"\nnotify = [\"web\"]\n[[handler]]\nname = \"web\"\nrestart = \"web\"\n";
    let (config, mut host) = (config(text), host());
    assert_eq!(verdicts(&config, &host)[1].0, Verdict::Maybe);
    assert_eq!(outcomes(&run(&config, &mut host)), [Outcome::Changed; 2]);
}

#[test]
fn a_block_that_fails_can_be_passed_over() {
    let text = "[[file]]\npath = \"/none/a\"\ncontent = \"\"\non_error = \"continue\"\n[[group]]\nname = \"g\"\n";
    let (config, mut host) = (config(text), host());
    let report = run(&config, &mut host);
    assert_eq!(outcomes(&report), [Outcome::Failed, Outcome::Changed]);
    assert!(!report.succeeded());
}

#[test]
fn once_is_once() {
    let text = "[[exec]]\nscript = \"x\"\nonce = \"migrate-1\"\n";
    let (first, mut host) = (config(text), host());
    assert_eq!(outcomes(&run(&first, &mut host)), [Outcome::Changed]);
    assert!(plan(&first, &host, Reveal::Content).is_empty());
    let next = config(&text.replace("-1", "-2"));
    assert_eq!(outcomes(&run(&next, &mut host)), [Outcome::Changed]);
}

#[test]
fn handlers_are_named_wherever_they_stand() {
    let files = files(&SITE.replace("[\"web\"]", "[\"wbe\"]"));
    let faults = config::parse(files, Scope::default()).err().unwrap();
    assert_eq!(faults[0].what, "there is no handler `wbe`");
    assert_eq!(faults[0].label.as_deref(), Some("did you mean `web`?"));
}

/// Who may not run commands may still have a unit reloaded.
#[test]
fn only_a_handler_with_a_command_runs_one() {
    for (way, runs) in [
        ("reload = \"web\"", false),
        ("restart = \"web\"", false),
        ("reload = \"web\"\ncheck = \"true\"", true),
        ("script = \"true\"", true),
        ("cmd = \"/bin/true\"", true),
    ] {
        let config = config(&format!("[[handler]]\nname = \"web\"\n{way}\n"));
        assert_eq!(config.blocks[0].runs_commands(), runs, "{way}");
    }
}

/// What the grant `exec` is asked for: also by a check of a file, and by what cannot be read yet.
#[test]
fn what_may_run_a_command_needs_the_right_to() {
    let file = "[[file]]\npath = \"/etc/a\"\ncontent = \"a\"\n";
    let reload = "[[handler]]\nname = \"web\"\nreload = \"{{ result['file:/etc/a'].stdout }}\"\n";
    for (text, runs) in [
        (file.to_owned(), false),
        (format!("{file}verify = \"/bin/true %s\"\n"), true),
        (format!("{file}{reload}check = \"true\"\n"), true),
    ] {
        let config = config(&text);
        let last = config.blocks.last().unwrap();
        assert_eq!(last.runs_commands(), runs, "{text}");
    }
}
