//! What people read of the language comes from the doc comments of the structs that read it: the JSON
//! schema, which the program prints and explains fields from, and the pages of docs/reference. Both
//! are committed, and must be what the source says; HPT_BLESS=1 writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod grammar;
mod language;
mod schema;
mod source;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use language::Language;

/// Compares a committed file with what it must be.
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
