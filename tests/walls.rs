//! Who may depend on whom, and what every file of the house has in common.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate of ours with those of ours that it may use.
const WALLS: &[(&str, &[&str])] = &[
    ("keystore", &[]),
    ("provisioner", &[]),
    ("transport", &["keystore"]),
    ("proto", &["provisioner"]),
    ("agent", &["keystore", "proto", "provisioner", "transport"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn crates_depend_only_on_those_below_them() {
    for (name, allowed) in WALLS {
        let text = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let used: BTreeSet<&str> = manifest["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .filter_map(|key| key.strip_prefix("hpt-"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let over: Vec<_> = used.difference(&allowed).collect();
        assert!(over.is_empty(), "{name} must not depend on {over:?}");
    }
}

#[test]
fn wire_types_meet_the_engine_in_one_file() {
    for file in sources("proto") {
        let text = fs::read_to_string(&file).unwrap();
        let allowed =
            file.ends_with("convert.rs") || file.components().any(|c| c.as_os_str() == "convert");
        assert!(
            allowed || !text.contains("hpt_provisioner"),
            "{} names the engine",
            file.display()
        );
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for folder in [
        "cmd",
        "agent",
        "keystore",
        "proto",
        "provisioner",
        "transport",
        "tests",
    ] {
        for file in sources(folder) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(
                text.starts_with("//!"),
                "{} does not open with a //! line",
                file.display()
            );
        }
    }
}

#[test]
fn only_the_terminal_reads_the_environment_or_prints() {
    for folder in [
        "agent/src",
        "keystore/src",
        "proto/src",
        "provisioner/src",
        "transport/src",
    ] {
        for file in sources(folder) {
            let is_test = |part: &str| part.trim_end_matches(".rs").ends_with("tests");
            if file.iter().any(|part| is_test(&part.to_string_lossy())) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in ["println!", "eprintln!", "env::var", "env::args"] {
                assert!(!code.contains(word), "{} has {word}", file.display());
            }
        }
    }
}

/// docs/SECURITY.md names tests and files; whoever renames one keeps the page true.
#[test]
fn what_shows_a_promise_is_there() {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let folders = [
        "agent",
        "cmd",
        "keystore",
        "provisioner",
        "tests",
        "transport",
    ];
    let files = folders.iter().flat_map(|folder| sources(folder));
    let code: String = files.map(|f| fs::read_to_string(f).unwrap()).collect();
    let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| ")).collect();
    assert!(rows.len() > 40, "the promises are rows");
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_./".contains(c);
    for row in rows {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for word in shown.split(|c| !is_name(c)) {
            if word.contains('/') && Path::new(word).extension().is_some_and(|e| e == "rs") {
                assert!(root().join(word).exists(), "no {word}: {row}");
            } else if word.matches('_').count() > 1 && word.starts_with(char::is_lowercase) {
                assert!(code.contains(&format!("fn {word}(")), "no {word}: {row}");
            }
        }
    }
}

/// Every Rust file below a folder, build output left out.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.join("CACHEDIR.TAG").exists() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no Rust files below {folder}");
    found
}
