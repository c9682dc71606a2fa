//! K5, as a user meets it: a damaged file gives one line that says which, why and what next.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use hpt_keystore::{Existing, LoadError, client, target};

/// The one line, after making sure that it is one, and that nothing was written.
fn complaint(path: &Path, content: &[u8]) -> String {
    fs::write(path, content).unwrap();
    let error = client::load(path).err().expect("it is refused");
    let text = error.to_string();
    assert!(
        !text.contains('\n') && text.starts_with(path.to_str().unwrap()),
        "{text}"
    );
    assert!(matches!(error, LoadError::Damaged { .. }), "{text}");
    assert!(
        text.ends_with("`hpt restore FILE` brings back a backup"),
        "{text}"
    );
    assert_eq!(target::load(path).err().unwrap().to_string(), text);
    assert_eq!(
        client::create(path, None, Existing::Keep)
            .unwrap_err()
            .to_string(),
        text
    );
    assert_eq!(
        fs::read(path).unwrap(),
        content,
        "a damaged file is left as it is"
    );
    text
}

#[test]
fn one_line_says_which_why_and_what_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    let good = fs::read(&path).unwrap();

    assert!(complaint(&path, b"").contains("it is empty"));
    assert!(complaint(&path, b"hello\n").contains("most of it is missing"));
    assert!(complaint(&path, &vec![0; 36864]).contains("hpt did not write it"));
    assert!(complaint(&path, &good[..good.len() / 2]).contains("does not match its checksum"));
    let mut flipped = good.clone();
    flipped[20_000] ^= 4;
    assert!(complaint(&path, &flipped).contains("does not match its checksum"));

    client::create(&path, None, Existing::Replace).unwrap();
    client::load(&path).unwrap();
}

/// A sparse file of a terabyte is not read into memory.
#[test]
fn a_huge_file_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let text = client::load(&path).err().unwrap().to_string();
    assert!(
        text.ends_with(": larger than 16 MiB, which is the most a keystore can be"),
        "{text}"
    );
}

/// The file is redb's: any redb reads it.
#[test]
fn redb_itself_reads_the_file() {
    use redb::{ReadOnlyDatabase, ReadableDatabase, TableDefinition};

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    let database = ReadOnlyDatabase::open(&path).unwrap();
    let keys = TableDefinition::<&str, &[u8]>::new("keystore");
    let table = database.begin_read().unwrap().open_table(keys).unwrap();
    assert_eq!(table.get("role").unwrap().unwrap().value(), b"client");
}
