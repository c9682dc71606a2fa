//! Every bad config of testdata/bad is refused, at the place that it names.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, File};
use hpt_provisioner::host::facts::Facts;

/// One case: where the first fault must be, words that must be said, and the config.
struct Case {
    name: String,
    place: String,
    words: String,
    text: String,
}

const CLASSES: [&str; 10] = [
    "types",
    "unknown",
    "hostile",
    "lists",
    "contradictions",
    "later",
    "resources",
    "sources",
    "shape",
    "control",
];

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/bad");
    let mut cases = Vec::new();
    for class in CLASSES {
        let all = fs::read_to_string(folder.join(format!("{class}.txt"))).unwrap();
        for (i, case) in all.split("#--- ").skip(1).enumerate() {
            let (head, text) = case.split_once('\n').unwrap();
            let (place, words) = head.split_once(' ').unwrap();
            cases.push(Case {
                name: format!("{class} {i}"),
                place: place.to_owned(),
                words: words.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    cases
}

#[test]
fn every_one_is_refused_at_its_place() {
    let cases = cases();
    assert!(cases.len() >= 500, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let files = [File {
            name: "bad.toml".to_owned(),
            text: case.text.clone(),
        }];
        let Err(told) = config::check(&files, "") else {
            wrong.push(format!("{}: accepted\n{}", case.name, case.text));
            continue;
        };
        let Some(first) = told.iter().find(|fault| fault.is_error()) else {
            wrong.push(format!("{}: only warnings", case.name));
            continue;
        };
        // I4: a target believes no sender's check. Of sources it knows the blobs alone.
        let here = Scope {
            facts: Some(Facts::default()),
            secrets: Some([].into()),
            ..Scope::default()
        };
        if !case.name.starts_with("sources") && config::parse(files.to_vec(), here).is_ok() {
            wrong.push(format!("{}: a target accepts it\n{}", case.name, case.text));
        }
        let place = first.place.as_ref().map(|place| {
            let (line, column) = place.line_column(&case.text);
            format!("{line}:{column}")
        });
        if place.as_deref() != Some(case.place.as_str()) || !first.what.contains(&case.words) {
            let said = format!("{place:?} {}", first.what);
            wrong.push(format!(
                "{}: wanted {} {:?}, got {said}\n{}",
                case.name, case.place, case.words, case.text
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn bombs_are_refused_and_do_not_hang() {
    let tables = "[a]\n".to_owned() + &"[[x]]\n".repeat(100_000);
    let dotted = format!("{} = 1\n", vec!["a"; 100_000].join("."));
    let brackets = "[".repeat(100_000);
    let number = format!("a = {}\n", "9".repeat(1_000_000));
    let nested = format!("a = {}1{}\n", "{ b = ".repeat(1_000), " }".repeat(1_000));
    let keys = format!("{} = 1\n", "k".repeat(1_000));
    for (name, text) in [
        ("tables", tables),
        ("dotted", dotted),
        ("brackets", brackets),
        ("number", number),
        ("nested", nested),
        ("key", keys),
        ("nul", "a = \"\0\"\n".to_owned()),
        ("bom twice", "\u{feff}\u{feff}a = 1\n".to_owned()),
        ("cr", "a = 1\rb = 2\n".to_owned()),
        ("twice", "[vars]\na = 1\na = 2\n".to_owned()),
    ] {
        let files = [File {
            name: "bomb.toml".to_owned(),
            text,
        }];
        assert!(config::check(&files, "").is_err(), "{name}");
    }
}
