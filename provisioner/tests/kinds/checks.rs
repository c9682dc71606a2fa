//! `[[check]]`: what a host must do, and a run that is reverted because it does not.

use hpt_provisioner::block::Block;
use hpt_provisioner::report::{Event, Finished};
use hpt_provisioner::run::{Intent, Witness};

use super::system::host;
use super::*;

const GATE: &str = "[[check]]\nhttp = \"http://localhost/healthz\"\nwithin = 1\n";

fn failing(host: &mut Host, looks: usize) {
    for _ in 0..looks {
        host.inner.put_look(Looked {
            wrong: Some("the answer is 503".to_owned()),
            ..Looked::default()
        });
    }
}

#[test]
fn a_check_is_looked_at_again_and_again() {
    let text = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{GATE}");
    let mut host = host();
    failing(&mut host, 2);
    settles(&text, &mut host);
}

#[test]
fn a_check_alone_is_nothing_to_be_done() {
    let mut host = host();
    let plan = look(&config(GATE), &host);
    assert!(plan.is_empty());
    assert_eq!(plan.blocks[0].verdict, Verdict::Skip);
    let text = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{GATE}");
    let plan = look(&config(&text), &host);
    let judged = &plan.blocks[1];
    assert_eq!(judged.verdict, Verdict::Run);
    assert_eq!(
        judged.summary,
        "must be well within 1 s, or the run is reverted"
    );
    host.powers.exec = false;
    assert_eq!(planned(GATE, &host).0, Verdict::Skip);
}

/// All that a run tells of the ends of its blocks.
#[derive(Default)]
struct Ends(Vec<Finished>);

impl Witness for Ends {
    fn intend(&mut self, _: &[Intent]) -> std::io::Result<()> {
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished(end) = event {
            self.0.push(end);
        }
    }

    fn settle(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

#[test]
fn a_check_that_fails_reverts_the_run_and_says_what_stays() {
    let text = format!(
        r#"
[[file]]
path = "/etc/app.conf"
content = "new\n"
notify = ["app"]

[[exec]]
script = "touch /srv/by-hand"
always = true

[[user]]
name = "ana"

{GATE}
[[file]]
path = "/srv/later"
content = ""

[[handler]]
name = "app"
script = "true"
"#
    );
    let mut host = host();
    host.inner.put(&written("/etc/app.conf", "old\n", 0o640));
    let before = host.inner.shows();
    failing(&mut host, 9);
    let mut ends = Ends::default();
    let report = apply(&config(&text), &mut host, &mut ends);
    let outcomes: Vec<_> = report.blocks.iter().map(|end| end.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Reverted,
            Outcome::Changed,
            Outcome::Reverted,
            Outcome::Failed,
            Outcome::NotRun,
            Outcome::NotRun,
        ]
    );
    assert!(report.reverted);
    assert_eq!(report.blocks[1].note, "it stays: its command has run");
    assert_eq!(
        report.blocks[3].note,
        "it was not well within 1 s: the answer is 503"
    );
    assert_eq!(host.inner.shows(), before);
    // The last that is told of a block is what it has come to, and the newest goes first.
    let told = |block: usize| ends.0.iter().rposition(|end| end.block == block).unwrap();
    assert!(told(2) < told(0), "{:?}", ends.0);
    for end in &report.blocks {
        assert_eq!(&ends.0[told(end.block)], end);
    }
    // Nothing is left for the handler to notice.
    let plan = look(&config(&text), &host);
    assert_eq!(plan.blocks[5].verdict, Verdict::Run);
    assert!(plan.blocks[5].summary.contains("file:/etc/app.conf"));
}

#[test]
fn a_check_may_fail_without_a_revert() {
    for key in ["revert = false", "on_error = \"continue\""] {
        let text = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{GATE}{key}\n");
        let mut host = host();
        failing(&mut host, 9);
        let report = apply(&config(&text), &mut host, &mut ());
        assert!(!report.reverted && !report.succeeded());
        assert_eq!(report.blocks[0].outcome, Outcome::Changed);
    }
    // Where nothing was changed, nothing is reverted.
    let mut host = host();
    failing(&mut host, 9);
    let report = apply(&config(GATE), &mut host, &mut ());
    assert!(!report.reverted && !report.succeeded());
}

/// The example of the language: the gate at the end sees what handlers have done.
#[test]
fn a_check_at_the_end_comes_after_the_handlers() {
    let text = format!(
        "{GATE}[[handler]]\nname = \"a\"\nscript = \"true\"\n\n[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n\
         [[check]]\nscript = \"true\"\n\n[[handler]]\nname = \"b\"\nscript = \"true\"\n"
    );
    let config = config(&text);
    let ids: Vec<_> = config
        .blocks
        .iter()
        .map(|block| block.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "check:http://localhost/healthz",
            "file:/srv/x",
            "handler:a",
            "handler:b",
            "check:true"
        ]
    );
    let commands: Vec<_> = config.blocks.iter().map(Block::runs_commands).collect();
    assert_eq!(commands, [false, false, true, true, true]);
}
