//! `result`: what a block makes of what blocks before it came to.

use super::*;

/// A file, and a command that runs only if that was changed.
const SITE: &str = r#"
[[file]]
path = "/motd"
content = "hi\n"

[[exec]]
id = "tell"
script = "wall < /motd"
when = "result['file:/motd'].changed"
always = true
"#;

#[test]
fn a_block_may_depend_on_what_another_came_to() {
    let mut host = Host::new();
    let verdicts = |host: &Host| {
        let plan = plan(&config(SITE), host, Reveal::Content);
        plan.blocks.iter().map(|b| b.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&host), [Verdict::Create, Verdict::Maybe]);
    let report = apply(&config(SITE), &mut host, &mut ());
    let outcomes = |report: &hpt_provisioner::report::Report| {
        report.blocks.iter().map(|b| b.outcome).collect::<Vec<_>>()
    };
    assert_eq!(
        outcomes(&report),
        [Outcome::Changed, Outcome::Changed],
        "{report:?}"
    );
    // In place, its result is known to a plan too.
    assert_eq!(verdicts(&host), [Verdict::Ok, Verdict::Skip]);
    let report = apply(&config(SITE), &mut host, &mut ());
    assert_eq!(outcomes(&report), [Outcome::Ok, Outcome::Skipped]);
}

#[test]
fn a_result_goes_into_fields_once_it_is_known() {
    let mut host = Host::new();
    let text = r#"
[[exec]]
id = "version"
script = "echo 7"
always = true

[[file]]
path = "/version"
content = "{{ result.version.changed }}\n"
"#;
    let before = plan(&config(text), &host, Reveal::Content);
    assert_eq!(before.blocks[1].verdict, Verdict::Maybe);
    assert_eq!(
        before.blocks[1].summary,
        "known when applied: depends on version"
    );
    let report = apply(&config(text), &mut host, &mut ());
    let ended: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(ended, [Outcome::Changed, Outcome::Changed], "{report:?}");
    let file = AbsPath::parse("/version").unwrap();
    let content = host.inner.read(&file).unwrap().unwrap();
    assert_eq!(&*content, b"true\n");
}

#[test]
fn a_result_that_is_not_there_is_a_fault_with_its_place() {
    let faults = |text: &str| {
        let scope = Scope {
            facts: Some(Facts::default()),
            ..Scope::default()
        };
        config::parse(files(text), scope).err().unwrap()
    };
    let found = faults("[[file]]\npath = \"/a\"\ncontent = \"{{ result['file:/b'].changed }}\"\n");
    assert_eq!(found[0].what, "no block `file:/b` stands before this one");
    assert!(found[0].place.is_some());
    let found = faults("[[file]]\nfor_each = \"{{ result.x.stdout }}\"\npath = \"/a\"\n");
    assert!(found[0].what.contains("may not use `result`"), "{found:?}");
}

#[test]
fn what_a_block_that_is_left_out_came_to_is_told_to_be_missing_and_why() {
    let text = "[[exec]]\nid = \"x\"\nscript = \"echo 7\"\nalways = true\ntags = [\"a\"]\nwhen = WHEN\n\n[[file]]\npath = \"/version\"\ncontent = \"{{ result.x.stdout }}\"\ntags = [\"b\"]\n";
    let planned = |when: &str, tags: &[&str]| {
        let mut known = scope(&[]);
        known.given.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let config = config_in(&text.replace("WHEN", when), known);
        plan(&config, &Host::new(), Reveal::Content)
    };
    let of_b = planned("true", &["b"]);
    assert_eq!(
        of_b.blocks[1].summary,
        "`result.x.stdout` is not there: --tags leaves out the block `x`, so choose it too, or leave this one out"
    );
    assert!(of_b.blocks[0].is_untagged() && !of_b.blocks[1].is_untagged());
    let elsewhere = planned("false", &[]);
    assert_eq!(
        elsewhere.blocks[1].summary,
        "`result.x.stdout` is not there: the block `x` is not for this host (`when` is false)"
    );
    assert!(!elsewhere.blocks[0].is_untagged());
    let asked = text.replace("result.x.stdout", "result.x.stdout | default('none')");
    let config = config(&asked.replace("WHEN", "false"));
    let plan = plan(&config, &Host::new(), Reveal::Content);
    assert_eq!(plan.blocks[1].verdict, Verdict::Create, "{plan:#?}");
}
