//! Trees of files that are refused: by a target too, whoever has gathered them.

use std::fs;
use std::path::Path;

use hpt_provisioner::config::{self, File, Given};

use super::{faults, file, scope};

/// I4: whoever sends files sends all of them, and no others.
#[test]
fn a_target_judges_the_files_anew() {
    let parse = |files: Vec<File>, included| {
        let given = Given {
            included,
            ..Given::default()
        };
        let told = config::parse(files, scope(given)).err();
        told.map(|faults| faults[0].what.clone())
    };
    let site = || file("site.toml", "include = [\"a.toml\"]\n");
    assert_eq!(parse(vec![site(), file("a.toml", "")], 1), None);
    assert_eq!(parse(vec![site()], 0).unwrap(), "there is no file a.toml");
    assert_eq!(
        parse(vec![site(), file("a.toml", ""), file("b.toml", "")], 2).unwrap(),
        "no file includes this one"
    );
    assert!(
        parse(vec![site(), file("a.toml", "")], 0)
            .unwrap()
            .contains("named to hpt itself")
    );
    let many = (0..300).map(|i| file(&format!("d/{i}.toml"), ""));
    let files = std::iter::once(file("site.toml", "include = [\"d/\"]\n")).chain(many);
    assert!(
        parse(files.collect(), 300)
            .unwrap()
            .contains("at most 256 files")
    );
    let long = "#".repeat(900_000);
    let files = vec![
        file("site.toml", "include = [\"d/\"]\n"),
        file("d/a.toml", &long),
        file("d/b.toml", &long),
    ];
    assert!(
        parse(files, 2)
            .unwrap()
            .contains("at most 1536 KiB together")
    );
}

#[test]
fn roles_that_multiply_are_stopped() {
    let mut text = "#=== site.toml\ninclude = [\"role:r0\", \"role:r0\"]\n".to_owned();
    for i in 0..14 {
        let next = i + 1;
        text +=
            &format!("#=== r{i}/role.toml\ninclude = [\"role:../r{next}\", \"role:../r{next}\"]\n");
    }
    text += "#=== r14/role.toml\n[[group]]\nname = \"a\"\n";
    let (_, told) = faults(&text);
    assert!(
        told.iter()
            .any(|fault| fault.what.contains("at most 1000 files and roles in all")),
        "{told:#?}"
    );
    assert!(told.len() <= 120, "{}", told.len());
    let mut text = "#=== site.toml\ninclude = [\"a0.toml\"]\n".to_owned();
    for i in 0..20 {
        text += &format!("#=== a{i}.toml\ninclude = [\"a{}.toml\"]\n", i + 1);
    }
    text += "#=== a20.toml\n";
    let (_, told) = faults(&text);
    assert!(told[0].what.contains("more than 16 deep"), "{told:#?}");
}

/// One case each: the file and place of the first fault, words of it, and a tree.
#[test]
fn every_bad_tree_is_refused_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/trees");
    let all = fs::read_to_string(folder.join("bad.txt")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in all.split("#--- ").skip(1) {
        let (head, text) = case.split_once('\n').unwrap();
        let (place, words) = head.split_once(' ').unwrap();
        let (files, told) = faults(text);
        let first = told.iter().find(|fault| fault.is_error()).unwrap();
        let at = first.place.as_ref().map_or(String::new(), |place| {
            let file = &files[place.file];
            let (line, column) = place.line_column(&file.text);
            format!("{}:{line}:{column}", file.name)
        });
        if at != place || !first.what.contains(words) {
            wrong.push(format!(
                "wanted {place} {words:?}, got {at} {}\n{text}",
                first.what
            ));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 30, "{count} cases");
}
