//! K5, as a user meets it: a damaged file gives one line that says which, why and what next.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hpt_keystore::{Existing, LoadError, client, target};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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

/// What a disk, a copy or a careless editor does to a file.
#[derive(Clone, Debug)]
enum Harm {
    Overwrite {
        at: usize,
        with: Vec<u8>,
    },
    Fill {
        at: usize,
        length: usize,
        byte: u8,
    },
    Copy {
        from: usize,
        to: usize,
        length: usize,
    },
    Lose {
        at: usize,
        length: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
}

impl Harm {
    /// Any of these, somewhere in a file of this size.
    fn any(size: usize) -> impl Strategy<Value = Self> {
        let bytes = || proptest::collection::vec(any::<u8>(), 1..64);
        let length = prop_oneof![1..64_usize, Just(512), Just(4096), 1..size];
        let at = 0..size;
        prop_oneof![
            (at.clone(), bytes()).prop_map(|(at, with)| Self::Overwrite { at, with }),
            (
                at.clone(),
                length.clone(),
                prop_oneof![Just(0), Just(0xff), any::<u8>()]
            )
                .prop_map(|(at, length, byte)| Self::Fill { at, length, byte }),
            (at.clone(), at.clone(), length.clone()).prop_map(|(from, to, length)| Self::Copy {
                from,
                to,
                length
            }),
            (at.clone(), length).prop_map(|(at, length)| Self::Lose { at, length }),
            (at, bytes()).prop_map(|(at, bytes)| Self::Insert { at, bytes }),
        ]
    }

    fn be_done_to(self, file: &mut Vec<u8>) {
        let size = file.len();
        let part = |at: usize, length: usize| at.min(size)..(at + length).min(size);
        match self {
            Self::Overwrite { at, with } => {
                let place = part(at, with.len());
                let fits = place.len();
                file[place].copy_from_slice(&with[..fits]);
            }
            Self::Fill { at, length, byte } => file[part(at, length)].fill(byte),
            Self::Copy { from, to, length } => {
                let fits = part(from.max(to), length).len();
                file.copy_within(part(from, fits), to.min(size));
            }
            Self::Lose { at, length } => drop(file.drain(part(at, length))),
            Self::Insert { at, bytes } => drop(file.splice(part(at, 0), bytes)),
        }
    }
}

/// K5: ten thousand ways to lose a keystore, and each is told in one line that names it.
#[test]
fn whatever_is_done_to_a_file_is_noticed() {
    const WAYS: u32 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    let good = fs::read(&path).unwrap();
    let config = ProptestConfig {
        rng_seed: RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::with_cases(WAYS)
    };
    let harms = proptest::collection::vec(Harm::any(good.len()), 1..4);
    proptest!(config, |(harms in harms)| {
        let mut bytes = good.clone();
        for harm in harms {
            harm.be_done_to(&mut bytes);
        }
        fs::write(&path, &bytes).unwrap();
        assert_is_noticed(&path, bytes != good);
    });
}

/// K5: every length that the file could be cut to.
#[test]
fn every_truncation_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    assert_is_noticed(&path, false);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for length in (0..file.metadata().unwrap().len()).rev() {
        file.set_len(length).unwrap();
        assert_is_noticed(&path, true);
    }
}

/// One line that names the file if it was altered, and its content if it was not.
fn assert_is_noticed(path: &Path, altered: bool) {
    let begun = Instant::now();
    match client::load(path) {
        Ok(keys) => assert!(!altered && keys.serial == 1),
        Err(error) => {
            let text = error.to_string();
            let damaged = matches!(error, LoadError::Damaged { .. });
            assert!(altered && damaged, "{text}");
            assert!(text.starts_with(path.to_str().unwrap()), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
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
