//! Commands that say how they are undone.

use hpt_provisioner::report::Event;
use hpt_provisioner::run::{Intent, Witness};
use hpt_provisioner::undo::{Change, Fate, Log, foresee, undo};

use super::system::host;
use super::*;

/// What a run has replaced.
#[derive(Default)]
struct Kept(Log);

impl Witness for Kept {
    fn intend(&mut self, intents: &[Intent]) -> std::io::Result<()> {
        for intent in intents {
            self.0.add(intent.block, intent.before.clone());
        }
        Ok(())
    }

    fn tell(&mut self, _: Event) {}

    fn settle(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

impl Kept {
    fn changes(self) -> Vec<Change> {
        let all = self.0.newest_first();
        all.map(|(block, before)| Change::new(block.to_string(), before))
            .collect()
    }
}

const ADD: &str = r#"
[[exec]]
script = "add one"
once = "one"
undo = "take one"

[[exec]]
script = "add two"
always = true
undo = "take two"
"#;

#[test]
fn a_command_is_undone_by_its_script_newest_first_and_once() {
    let mut host = host();
    let mut kept = Kept::default();
    let config = config(ADD);
    assert!(apply(&config, &mut host, &mut kept).succeeded());
    let changes = kept.changes();
    let what = vec!["run its command".to_owned()];
    let all = vec![Fate::Reverts { runs: true, what }; 2];
    assert_eq!(foresee(&changes, &host), all);
    host.ran.clear();
    let report = undo(&changes, &mut host, &mut ());
    assert_eq!(report.count(Outcome::Reverted), 2, "{report:?}");
    assert_eq!(host.ran, ["take two", "take one"]);
    assert_eq!(foresee(&changes, &host), vec![Fate::Gone; 2]);
    // Nor is it remembered that it ran once.
    assert_eq!(look(&config, &host).blocks[0].verdict, Verdict::Run);
}

#[test]
fn a_failed_check_undoes_commands_and_an_undo_of_that_run_finds_nothing() {
    let mut host = host();
    host.inner.put_look(Looked {
        wrong: Some("no".to_owned()),
        ..Looked::default()
    });
    let mut kept = Kept::default();
    let text = format!("{ADD}\n[[check]]\nscript = \"true\"\nwithin = 1\n");
    for _ in 0..9 {
        host.inner.put_look(Looked {
            wrong: Some("no".to_owned()),
            ..Looked::default()
        });
    }
    let report = apply(&config(&text), &mut host, &mut kept);
    assert!(report.reverted);
    assert_eq!(report.count(Outcome::Reverted), 2, "{report:?}");
    assert_eq!(host.ran[2..], ["take two", "take one"]);
    assert_eq!(foresee(&kept.changes(), &host), vec![Fate::Gone; 2]);
}

/// S1: what may be secret is not kept, and the config says so.
#[test]
fn a_sensitive_command_is_not_undone_and_warns_of_it() {
    let text = "[[exec]]\nscript = \"login {{ secret.db }}\"\nundo = \"logout\"\nalways = true\n";
    let config = config(text);
    let [warning] = &config.warnings[..] else {
        panic!("{:?}", config.warnings);
    };
    assert!(warning.what.contains("cannot be undone"), "{warning:?}");
    let mut kept = Kept::default();
    let mut host = host();
    assert!(apply(&config, &mut host, &mut kept).succeeded());
    let kept = format!("{:?}", kept.0);
    assert!(
        !kept.contains("logout") && kept.contains("was not kept"),
        "{kept}"
    );
}
