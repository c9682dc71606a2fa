//! Every good config of testdata/good is taken without a word, and together they use each field that
//! the language has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hpt_provisioner::block::KINDS;
use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, File};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::secret::Secret;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/good")
}

fn configs() -> Vec<File> {
    let entries = fs::read_dir(folder()).expect("the folder is committed");
    let files = entries.map(|entry| entry.expect("a readable folder").path());
    let read = |path: PathBuf| File {
        name: path.display().to_string(),
        text: fs::read_to_string(&path).expect("text"),
    };
    files.map(read).collect()
}

#[test]
fn every_one_is_taken_by_the_workstation_and_by_a_target() {
    let configs = configs();
    assert!(configs.len() >= 8, "{}", configs.len());
    let secret = |name: &str, text: &str| (name.to_owned(), Secret::new(text.to_owned()));
    for file in configs {
        let files = vec![file];
        let warnings = match config::check(&files, "web1", &config::Given::default()) {
            Ok(outline) => outline.warnings,
            Err(faults) => panic!("{}: {faults:#?}", files[0].name),
        };
        assert!(warnings.is_empty(), "{}: {warnings:#?}", files[0].name);
        let secrets = BTreeMap::from([
            secret("ana_password", "$6$salt$hash"),
            secret("db", "hunter2"),
            secret("token", "t0ken"),
            secret("deploy", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ]);
        let scope = Scope {
            facts: Some(Facts::default()),
            secrets: Some(secrets),
            ..Scope::default()
        };
        if let Err(faults) = config::parse(files, scope) {
            panic!("{faults:#?}");
        }
    }
}

/// The fields of a kind that are its own, as the schema has them: the common ones are references.
fn fields(kind: &str) -> Vec<String> {
    let schema = include_str!("../schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
    let all = schema["definitions"][kind]["properties"].as_object();
    let own = all.expect("a kind has fields").iter();
    let own = own.filter(|(_, field)| field.get("allOf").or(field.get("anyOf")).is_some());
    own.map(|(name, _)| name.clone()).collect()
}

/// A list of fields that is too short was not read right.
fn fewest(kind: &str) -> usize {
    match kind {
        "timezone" | "hostname" | "locale" => 1,
        "assert" | "reboot" => 2,
        _ => 3,
    }
}

#[test]
fn each_field_of_each_kind_is_shown() {
    let all: String = configs().into_iter().map(|file| file.text).collect();
    for kind in KINDS
        .iter()
        .filter(|kind| !["packages", "flush"].contains(kind))
    {
        let header = format!("[[{kind}]]\n");
        let blocks: Vec<&str> = all
            .split("\n\n")
            .filter_map(|part| part.split_once(&header).map(|(_, fields)| fields))
            .collect();
        let fields = fields(kind);
        assert!(fields.len() >= fewest(kind), "{kind}: {fields:?}");
        for field in fields {
            let line = format!("{field} = ");
            let shown = |block: &&str| block.lines().any(|l| l.starts_with(&line));
            assert!(blocks.iter().any(shown), "no [[{kind}]] shows `{field}`");
        }
    }
}
