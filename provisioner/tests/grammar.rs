//! What decides whether, how often and how a block is read: `when`, `for_each`, `tags`, `id`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scaffold;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, Given};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::plan::{Reveal, Verdict, plan};
use scaffold::{files, scope};

fn parse(text: &str, tags: &[&str]) -> Result<Config, Vec<String>> {
    let given = Given {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..Given::default()
    };
    let scope = Scope {
        given,
        ..scope(&[("s", "hunter2")])
    };
    config::parse(files(text), scope).map_err(|faults| faults.into_iter().map(|f| f.what).collect())
}

/// Each block's id and verdict on an empty host.
fn judged(text: &str, tags: &[&str]) -> Vec<(String, Verdict)> {
    let config = parse(text, tags).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let plan = plan(&config, &Memory::new(Facts::default()), Reveal::Content);
    plan.blocks.into_iter().map(|b| (b.id, b.verdict)).collect()
}

fn ids(text: &str) -> Vec<String> {
    judged(text, &[]).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_block_is_there_once_for_each_item() {
    assert_eq!(
        ids("[[group]]\nfor_each = [\"a\", \"b\"]\nname = \"{{ each.value }}\"\n"),
        ["group:a", "group:b"]
    );
    assert_eq!(
        ids(
            "[vars]\nadmins = { ana = 1001, bo = 1002 }\n[[group]]\nfor_each = \"{{ vars.admins }}\"\nname = \"{{ each.key }}\"\ngid = \"{{ each.value }}\"\nid = \"admin-{{ each.key }}\"\n"
        ),
        ["admin-ana", "admin-bo"]
    );
    assert_eq!(ids("[[group]]\nfor_each = []\nname = \"x\"\n"), [""; 0]);
}

#[test]
fn items_are_in_templates_too() {
    let text = "[[file]]\nfor_each = [\"a\"]\npath = \"/etc/{{ each.value }}\"\ncontent = \"{{ each.key }} {{ each.value }}\"\n";
    let config = parse(text, &[]).unwrap();
    let plan = plan(&config, &Memory::new(Facts::default()), Reveal::Content);
    assert!(format!("{:?}", plan.blocks[0].details).contains("0 a"));
}

#[test]
fn a_block_that_is_not_for_this_host_is_passed_over() {
    let text = "[vars]\nx = 1\n[[group]]\nname = \"a\"\nwhen = \"vars.x == 2\"\n[[group]]\nname = \"b\"\nwhen = \"{{ vars.x == 1 }}\"\n[[group]]\nname = \"c\"\nwhen = false\n";
    assert_eq!(
        judged(text, &[]),
        [
            ("group:a".to_owned(), Verdict::Skip),
            ("group:b".to_owned(), Verdict::Create),
            ("group:c".to_owned(), Verdict::Skip),
        ]
    );
}

#[test]
fn what_a_passed_over_block_names_need_not_be_there() {
    let text = "[[group]]\nname = \"{{ vars.nothing }}\"\nwhen = \"facts.os == 'plan9'\"\n";
    assert_eq!(judged(text, &[]), [("group:1-1".to_owned(), Verdict::Skip)]);
    let text = "[[group]]\nnmae = \"a\"\nwhen = \"false\"\n";
    assert!(parse(text, &[]).err().unwrap()[0].contains("unknown field `nmae`"));
}

#[test]
fn a_when_sees_its_item() {
    let text = "[[group]]\nfor_each = [1, 2, 3]\nname = \"g{{ each.value }}\"\nwhen = \"each.value > 1\"\n";
    let verdicts: Vec<_> = judged(text, &[]).into_iter().map(|(_, v)| v).collect();
    assert_eq!(verdicts, [Verdict::Skip, Verdict::Create, Verdict::Create]);
}

#[test]
fn a_secret_decides_nothing_that_is_shown() {
    for text in [
        "[[group]]\nname = \"a\"\nwhen = \"secret.s == 'x'\"\n",
        "[[group]]\nname = \"a\"\nfor_each = [\"{{ secret.s }}\"]\n",
        "[[group]]\nname = \"a\"\nid = \"{{ secret.s }}\"\n",
    ] {
        let faults = parse(text, &[]).err().unwrap();
        assert!(faults[0].contains("a secret may not"), "{faults:?}");
        assert!(!faults[0].contains("hunter2"), "{faults:?}");
    }
}

#[test]
fn tags_choose() {
    let text = "[[group]]\nname = \"a\"\ntags = [\"web\"]\n[[group]]\nname = \"b\"\ntags = [\"db\"]\n[[group]]\nname = \"c\"\n";
    let chosen = |tags: &[&str]| -> Vec<Verdict> {
        judged(text, tags).into_iter().map(|(_, v)| v).collect()
    };
    let (yes, no) = (Verdict::Create, Verdict::Skip);
    assert_eq!(chosen(&[]), [yes, yes, yes]);
    assert_eq!(chosen(&["web"]), [yes, no, no]);
    assert_eq!(chosen(&["db", "web"]), [yes, yes, no]);
    assert_eq!(
        judged(&format!("tags = [\"all\"]\n{text}"), &["all"])[2].1,
        yes
    );
}

#[test]
fn a_tag_that_nothing_has_is_told() {
    let text = "[[group]]\nfor_each = []\nname = \"a\"\ntags = [\"web\"]\n";
    assert!(parse(text, &["web"]).is_ok());
    let faults = parse(text, &["wbe", "web"]).err().unwrap();
    assert_eq!(faults, ["no block has the tag `wbe`"]);
}

#[test]
fn a_loop_is_bounded() {
    let text =
        "[[group]]\nfor_each = \"{{ range(20000) | list }}\"\nname = \"g{{ each.value }}\"\n";
    let faults = parse(text, &[]).err().unwrap();
    assert!(
        faults[0].contains("at most 10000 blocks"),
        "{:?}",
        &faults[..1]
    );
}
