//! What runs, and in which order.

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, File};

use super::{faults, ids, parse};

#[test]
fn blocks_run_in_document_order_across_kinds() {
    let text = r#"
packages = ["nginx"]
[[exec]]
cmd = "/bin/one"
always = true
[[file]]
path = "/a"
content = ""
[[exec]]
cmd = "/bin/two"
always = true
[[group]]
name = "g"
[[file]]
path = "/b"
content = ""
"#;
    assert_eq!(
        ids(text),
        [
            "packages",
            "exec:/bin/one",
            "file:/a",
            "exec:/bin/two",
            "group:g",
            "file:/b"
        ]
    );
}

#[test]
fn files_run_one_after_another() {
    let files = vec![
        File {
            name: "1".to_owned(),
            text: "[[group]]\nname = \"a\"\n".to_owned(),
        },
        File {
            name: "2".to_owned(),
            text: "packages = [\"git\"]\n[[group]]\nname = \"b\"\n".to_owned(),
        },
    ];
    let outline = config::check(&files, "", &config::Given::default()).map(|_| ());
    assert!(outline.is_ok(), "{outline:?}");
    let Ok(config) = config::parse(files, Scope::default()) else {
        panic!()
    };
    let ids: Vec<_> = config.blocks.iter().map(|b| b.id.as_str()).collect();
    assert_eq!(ids, ["group:a", "packages-2", "group:b"]);
}

#[test]
fn after_asserts_the_order() {
    let right = "[[group]]\nname = \"a\"\n[[group]]\nname = \"b\"\nafter = [\"group:a\"]\n";
    assert_eq!(ids(right).len(), 2);
    let wrong = "[[group]]\nname = \"a\"\nafter = [\"group:b\"]\n[[group]]\nname = \"b\"\n";
    assert!(faults(wrong)[0].contains("no block `group:b` stands before this one"));
}

#[test]
fn duplicate_ids_show_both_places() {
    let text = "[[group]]\nname = \"a\"\n[[group]]\nname = \"a\"\n";
    let Err(faults) = parse(text) else {
        panic!("two blocks with one id")
    };
    let (other, _) = faults[0].other.clone().expect("the first place");
    assert_eq!(other.line_column(text).0, 1);
    assert_eq!(
        faults[0].place.clone().map(|p| p.line_column(text).0),
        Some(3)
    );
}

#[test]
fn a_repo_with_a_destination_is_a_clone() {
    let text = "[repo.app]\nURL = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n[[group]]\nname = \"a\"\n";
    assert_eq!(ids(text), ["clone:/opt/app", "group:a"]);
}
