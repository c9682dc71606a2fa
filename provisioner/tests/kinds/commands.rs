//! `[[exec]]`.

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
        let report = apply(&config(&text), &mut host, &mut Deaf);
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
