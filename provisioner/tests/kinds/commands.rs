//! `[[exec]]`.

use hpt_provisioner::plan::Asker;

use super::*;

#[test]
fn a_command_runs_as_its_guards_say() {
    let mut host = Host::new();
    let text = "[[exec]]\nscript = \"make\"\ncreates = \"/opt/built\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Run);
    host.inner.put(&written("/opt/built", "", 0o644));
    assert_eq!(planned(text, &host).0, Verdict::Ok);
    let text = "[[exec]]\nscript = \"rm\"\nremoves = \"/opt/built\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Run);
    // The memory host's guards all succeed.
    for (guard, outcome) in [("unless", Outcome::Skipped), ("only_if", Outcome::Changed)] {
        let text = format!("[[exec]]\nscript = \"x\"\n{guard} = \"true\"\n");
        assert_eq!(
            planned(&text, &host).0,
            Verdict::Maybe,
            "no guard runs in a plan"
        );
        let report = apply(&config(&text), &mut host, &mut ());
        assert_eq!(report.blocks[0].outcome, outcome);
    }
    for (key, words) in [
        ("user = \"ana\"", "the user ana"),
        ("group = \"ops\"", "the group ops"),
    ] {
        let text = format!("[[exec]]\nscript = \"x\"\nalways = true\n{key}\n");
        let why = blocked(&text, &host);
        assert!(why.contains(words), "{why}");
    }
}

/// A guard that is pure is run by a plan, as long as nothing before it is to change.
#[test]
fn a_pure_guard_is_asked_while_nothing_before_it_is_pending() {
    let guarded = |pure| format!("[[exec]]\nscript = \"x\"\nunless = \"y\"\npure = {pure}\n");
    let host = Memory::new(Facts::default());
    let judged = |text: &str, answer: bool| {
        let ask = |_: &Command| Ok(answer);
        let asker = Asker {
            reveal: Reveal::Content,
            ask: Some(&ask),
        };
        let plan = plan(&config(text), &host, asker);
        plan.blocks.last().unwrap().verdict
    };
    assert_eq!(judged(&guarded(true), true), Verdict::Ok);
    assert_eq!(judged(&guarded(true), false), Verdict::Run);
    assert_eq!(judged(&guarded(false), true), Verdict::Maybe);
    let after = format!("[[file]]\npath = \"/new\"\n{}", guarded(true));
    assert_eq!(judged(&after, true), Verdict::Maybe);
    let unasked = plan(&config(&guarded(true)), &host, Reveal::Content);
    assert_eq!(unasked.blocks[0].verdict, Verdict::Maybe);
}
