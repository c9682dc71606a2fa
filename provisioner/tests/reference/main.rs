//! What people read of the language comes from the doc comments of the structs that read it: the JSON
//! schema, which the program prints and explains fields from, and the pages of docs/reference. Both
//! are committed, and must be what the source says; `HPT_BLESS=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod grammar;
mod language;
mod page;
mod rust;
#[path = "../scaffold/mod.rs"]
mod scaffold;
mod schema;
mod source;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use hpt_provisioner::config::{self, Given};
use hpt_provisioner::fault::Fault;
use language::Language;
use scaffold::files;
use source::{Field, Sources, Table};

/// Compares a committed file with what it must be.
#[allow(clippy::disallowed_methods, reason = "a variable of tests alone")]
fn is_committed(path: &Path, text: &str) {
    if std::env::var_os("HPT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    assert!(
        there == text,
        "{name} is not what the source says; HPT_BLESS=1 writes it anew"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_schema_is_what_the_source_says() {
    let text = schema::schema(&Language::read());
    let _: serde_json::Value = serde_json::from_str(&text).unwrap();
    is_committed(&root().join("provisioner/schema.json"), &text);
}

#[test]
fn each_kind_has_its_page() {
    let language = Language::read();
    let folder = root().join("docs/reference");
    for kind in &language.kinds {
        let page = page::kind(kind, &language.old(&kind.name));
        is_committed(&folder.join(format!("{}.md", kind.name)), &page);
    }
    is_committed(&folder.join("config.md"), &page::config(&language));
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let known = language.kinds.iter().any(|kind| kind.name == name);
        let about_hpt = [
            "config",
            "command-line",
            "exit-codes",
            "environment",
            "targets",
            "upgrade",
            "arrival",
            "keys",
        ];
        assert!(
            known || about_hpt.contains(&&*name),
            "{name}.md is about nothing"
        );
    }
}

fn faults(text: &str) -> Vec<Fault> {
    match config::check(&files(text), "web1", &Given::default()) {
        Ok(outline) => outline.warnings,
        Err(faults) => faults,
    }
}

#[test]
fn each_kind_has_an_example_that_hpt_takes() {
    for kind in Language::read().kinds {
        let Table { name, example, .. } = kind;
        assert!(
            !example.is_empty(),
            "no example in the doc comment of [[{name}]]"
        );
        let faults: Vec<Fault> = faults(&example)
            .into_iter()
            .filter(|fault| !fault.what.starts_with("there is no handler"))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        assert!(
            example.contains(&name),
            "the example of {name} shows another"
        );
    }
}

/// A field's text is at least a few words that end as a sentence does.
fn is_documented(of: &str, field: &Field) {
    let (name, text) = (&field.name, &field.doc);
    assert!(text.len() >= 20, "{of}.{name} has no text: {text:?}");
    let last = text.trim_end_matches([')', '`', '"']);
    assert!(
        last.ends_with(['.', ':']) || text.ends_with('.'),
        "{of}.{name}: {text:?}"
    );
    if let Some(table) = page::held(&field.sort) {
        for inner in &table.fields {
            is_documented(&format!("{of}.{name}"), inner);
        }
    }
}

#[test]
fn each_field_has_its_text() {
    let language = Language::read();
    let tables = language.kinds.iter().chain(&language.tables);
    let mut count = 0;
    for table in tables.chain([&language.common]) {
        assert!(
            table.doc.len() >= 15,
            "{} has no text: {:?}",
            table.name,
            table.doc
        );
        for field in &table.fields {
            is_documented(&table.name, field);
            count += 1;
        }
    }
    assert!(count >= 200, "{count} fields");
}

/// hpt itself knows each field that is documented, and each entry that it knows is documented.
#[test]
fn the_source_was_read_as_hpt_reads_a_config() {
    let language = Language::read();
    let is_unknown = |fault: &Fault| fault.what.starts_with("unknown field");
    for kind in language.kinds.iter().filter(|kind| kind.name != "packages") {
        let name = &kind.name;
        for field in kind.fields.iter().map(|field| &field.name) {
            let faults = faults(&format!("[[{name}]]\n{field} = 1.5\n"));
            let faults: Vec<_> = faults.iter().filter(|fault| is_unknown(fault)).collect();
            assert!(faults.is_empty(), "{name}.{field}: {faults:#?}");
        }
        let nothing = faults(&format!("[[{name}]]\nxyzzyxyzzyxyzzyxyzzy = 1.5\n"));
        assert!(nothing.iter().any(is_unknown), "{name}: {nothing:#?}");
    }
    let entries = Sources::read().constant("document", "TABLES");
    for entry in entries.iter().flatten() {
        let in_grammar = grammar::TOP.iter().any(|[name, ..]| name == entry);
        let is_table = language.tables.iter().any(|table| table.name == *entry);
        let later = faults(&format!("{entry} = 1\n"));
        let later = later
            .iter()
            .any(|fault| fault.what.contains("later version"));
        assert!(
            in_grammar || is_table || later,
            "`{entry}` has no text in grammar.rs"
        );
    }
}
