//! Every bad config of testdata/bad is refused, at the place that it names.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod scaffold;

use std::fs;
use std::path::Path;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, File};
use hpt_provisioner::host::facts::Facts;
use scaffold::config_in;

/// One case: where the first fault must be, words that must be said, and the config.
struct Case {
    name: String,
    place: String,
    words: String,
    text: String,
}

const CLASSES: [&str; 14] = [
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
    "one_file",
    "system",
    "include",
    "fetched",
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
        let Err(told) = config::check(&files, "", &config::Given::default()) else {
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
        assert!(
            config::check(&files, "", &config::Given::default()).is_err(),
            "{name}"
        );
    }
}

/// Small texts that want much: what hpt does for them is limited, whatever they ask (I1).
#[test]
fn what_a_config_takes_is_limited_for_the_whole_of_it() {
    let big = format!("[vars]\nbig = \"{}\"\n", "x".repeat(200_000));
    let files = |content: &str, count: usize| -> String {
        (0..count).map(|i| file("content", content, i)).collect()
    };
    let loops = "{% for i in range(9000) %}{% for j in range(9000) %}x{% endfor %}{% endfor %}";
    for (name, text, words) in [
        (
            "alone",
            big.clone() + &files("{{ vars.big }}", 2_000),
            "16 MiB in all",
        ),
        (
            "among",
            big.clone() + &files("{{ vars.big }}.", 2_000),
            "16 MiB in all",
        ),
        (
            "in a loop",
            big.clone() + &files("{% for i in range(9000) %}{{ vars.big }}{% endfor %}", 1),
            "16 MiB in all",
        ),
        (
            "one string",
            big + &files("{{ vars.big }}{{ vars.big }}", 1),
            "longer than 256 KiB",
        ),
        (
            "without end",
            files(loops, 2_000),
            "does not come to an end",
        ),
        (
            "long each",
            files(
                "{% for i in range(9000) %}x{% endfor %}{% for i in range(9000) %}x{% endfor %}",
                2_000,
            ),
            "does not come to an end",
        ),
    ] {
        let told = refused(name, text);
        assert!(
            told.iter().any(|what| what.contains(words)),
            "{name}: {told:?}"
        );
        assert!(told.len() <= 100, "{name}: {} faults", told.len());
    }
}

#[test]
fn a_person_is_told_so_much_and_no_more() {
    let many = |unit: &dyn Fn(usize) -> String| -> String { (0..20_000).map(unit).collect() };
    for (name, text) in [
        (
            "misspelt",
            "[[group]]\nname = \"a\"\n".to_owned() + &many(&|i| format!("x{i} = 1\n")),
        ),
        ("tables", many(&|i| format!("[table{i}]\n"))),
        ("equals", many(&|_| "=\n".to_owned())),
        (
            "escapes",
            format!("a = \"{}\"\n", many(&|_| "\\q".to_owned())),
        ),
        ("returns", many(&|_| "\r".to_owned())),
        (
            "sources",
            (0..9_000)
                .map(|i| file("source", &format!("b{i}://x"), i))
                .collect(),
        ),
        ("groups", "[[group]]\nname = \"a\"\n".repeat(9_999)),
    ] {
        let told = refused(name, text);
        assert!(told.len() <= 120, "{name}: {} faults", told.len());
    }
}

#[test]
fn warnings_do_not_hide_blocks() {
    let text = "[[exec]]\nscript = \"true\"\n";
    let text: String = (0..500)
        .flat_map(|i| [text.to_owned(), format!("id = \"e{i}\"\n")])
        .collect();
    let config = config_in(&text, Scope::default());
    assert_eq!((config.blocks.len(), config.warnings.len()), (500, 500));
}

/// A file block with one more field.
fn file(field: &str, value: &str, number: usize) -> String {
    format!("[[file]]\npath = \"/{number}\"\n{field} = \"{value}\"\n")
}

fn refused(name: &str, text: String) -> Vec<String> {
    let files = [File {
        name: "bomb.toml".to_owned(),
        text,
    }];
    match config::check(&files, "", &config::Given::default()) {
        Ok(_) => panic!("{name} is accepted"),
        Err(faults) => faults.into_iter().map(|fault| fault.what).collect(),
    }
}
