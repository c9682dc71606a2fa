//! Files that were tampered with, disks that are full, and writers that come at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn places(dir: &Path) -> Places {
    Places {
        root: "/".into(),
        state: dir.join("state"),
        run: dir.join("run"),
    }
}

fn entry(time: u64) -> Entry {
    let entry = Entry {
        by: "laptop".into(),
        run: format!("run-{time}"),
        ..Entry::new(time, Kind::RunBegan)
    };
    entry.with("why", "a line\nfeed, \u{1b}[2J and \"quotes\"")
}

/// An audit of so many records: its text and its head.
fn written(dir: &Path, count: u64) -> (Audit, Vec<u8>, Head) {
    let audit = Audit::open(&places(dir)).unwrap();
    for time in 0..count {
        audit.note(&[entry(time)]);
    }
    let text = fs::read(&audit.path).unwrap();
    let head = audit.head().unwrap();
    assert_eq!(head.seq, count);
    (audit, text, head)
}

fn checked(text: &[u8], known: Option<Head>) -> Result<Head, u64> {
    verify(text, known, |_| ()).map_err(|unproven| match unproven {
        Unproven::Broken(broken) => broken.seq,
        Unproven::Io(why) => panic!("{why}"),
    })
}

#[test]
fn what_is_written_follows_and_is_for_root_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (audit, text, head) = written(dir.path(), 30);
    assert_eq!(checked(&text, Some(head)), Ok(head));
    assert_eq!(text.split_inclusive(|byte| *byte == b'\n').count(), 30);
    assert!(
        !text.iter().any(|byte| *byte < b' ' && *byte != b'\n'),
        "control characters are escaped (L3)"
    );
    let mode = fs::metadata(&audit.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let mut last = Vec::new();
    let end = audit.read(0, 3, &mut |line| {
        last.push(seq_of(&line).unwrap());
        true
    });
    assert_eq!(end.unwrap(), Some(head));
    assert_eq!(last, [28, 29, 30]);
}

/// Every record is found by its number, also where the file is long enough to search by halves.
#[test]
fn a_record_is_found_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(&places(dir.path())).unwrap();
    let entries: Vec<_> = (0..1500).map(entry).collect();
    let mut heads = vec![Head::default()];
    let mut text = String::new();
    for entry in &entries {
        let mut head = *heads.last().unwrap();
        text += &head.write(entry);
        heads.push(head);
    }
    audit.note(&entries);
    assert_eq!(fs::read_to_string(&audit.path).unwrap(), text);
    assert!(text.len() > 4 * usize::try_from(NEAR).unwrap());
    for head in heads.iter().skip(1).step_by(37) {
        let mut walked = *head;
        let (end, links) = audit.head_from(head.seq).unwrap();
        for words in links {
            walked.follow(words);
        }
        assert_eq!((walked, end), (heads[1500], heads[1500]));
    }
    assert_eq!(audit.head_from(0).unwrap(), (heads[1500], Vec::new()));
    assert_eq!(audit.head_from(1501).unwrap(), (heads[1500], Vec::new()));
}

/// A generator of its own, so that a seed means the same for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// One change of a file, and the first record that it makes bad.
fn tamper(lines: &[&[u8]], dice: &mut Dice) -> (Vec<u8>, usize) {
    let mut changed: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
    let at = dice.below(lines.len());
    let first = match dice.below(6) {
        0 => {
            // A bit of a byte.
            let byte = dice.below(lines[at].len());
            changed[at][byte] ^= 1 << dice.below(8);
            at
        }
        1 => {
            // Records are taken out.
            let count = 1 + dice.below(3).min(lines.len() - at - 1);
            changed.drain(at..at + count);
            at
        }
        2 => {
            // Two change places.
            let other = (at + 1 + dice.below(lines.len() - 1)) % lines.len();
            changed.swap(at, other);
            at.min(other)
        }
        3 => {
            // One comes twice.
            changed.insert(at, lines[dice.below(lines.len())].to_vec());
            if changed[at] == lines[at] { at + 1 } else { at }
        }
        4 => {
            // The file is cut at any byte.
            changed.truncate(at + 1);
            let keep = dice.below(lines[at].len());
            changed[at].truncate(keep);
            at
        }
        _ => {
            // Bytes are taken out, put in, or put in the place of others.
            let from = dice.below(lines[at].len());
            let to = from + dice.below((lines[at].len() - from).min(9));
            let put: Vec<u8> = (0..dice.below(5))
                .map(|_| b"0a}\n"[dice.below(4)])
                .collect();
            changed[at].splice(from..to, put);
            at
        }
    };
    (changed.concat(), first)
}

/// L2: whatever is edited, taken out, put elsewhere or cut off is noticed, and named.
#[test]
fn whatever_is_done_to_an_audit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, text, head) = written(dir.path(), 24);
    let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let seed = 0x00c0_ffee_u64;
    let mut dice = Dice(seed);
    let mut done = 0;
    while done < 10_000 {
        let (changed, first) = tamper(&lines, &mut dice);
        if changed == text {
            continue;
        }
        done += 1;
        let bad = checked(&changed, Some(head)).unwrap_err();
        let first = u64::try_from(first).unwrap() + 1;
        assert_eq!(bad, first, "change {done} of seed {seed:#x}");
    }
}

/// L2: who writes the whole chain anew from some record on cannot give it the head that was seen.
#[test]
fn a_chain_that_was_made_anew_is_not_the_one_that_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (_, _, known) = written(&dir.path().join("one"), 10);
    for changed in 0..10 {
        let mut head = Head::default();
        let mut text = String::new();
        for time in 0..12 {
            text += &head.write(&entry(if time == changed { 99 } else { time }));
        }
        assert!(checked(text.as_bytes(), None).is_ok());
        assert_eq!(checked(text.as_bytes(), Some(known)), Err(10));
    }
}

#[test]
fn a_head_is_signed_for_itself_alone() {
    let key = hpt_keystore::SigningKey::generate();
    let head = Head {
        seq: 7,
        hash: blake3::hash(b"x"),
    };
    let signature = head.sign(&key);
    assert!(head.verify(&key.verifying(), &signature).is_ok());
    let other = Head { seq: 8, ..head };
    assert!(other.verify(&key.verifying(), &signature).is_err());
}

#[test]
fn those_who_write_at_once_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(&places(dir.path())).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let audit = &audit;
            scope.spawn(move || (0..20).for_each(|n| audit.note(&[entry(writer * 100 + n)])));
        }
    });
    let head = audit.head().unwrap();
    assert_eq!(head.seq, 160);
    assert_eq!(checked(&fs::read(&audit.path).unwrap(), None), Ok(head));
}

/// A record that the power cut is dropped, and that is recorded.
#[test]
fn half_a_record_is_dropped_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (audit, text, head) = written(dir.path(), 5);
    for torn in [&text[..40], &[0; 100]] {
        fs::write(&audit.path, [&text[..], torn].concat()).unwrap();
        assert_eq!(audit.head().unwrap(), head);
        audit.begin(&[entry(9)]).unwrap();
        let mut kinds = Vec::new();
        let now = verify(&fs::read(&audit.path).unwrap()[..], Some(head), |record| {
            kinds.push(record.kind);
        });
        assert_eq!(now.unwrap().seq, 7);
        assert_eq!(kinds[5..], ["repaired", "run-began"]);
    }
}

/// L1: nothing begins on an audit that cannot be gone on with.
#[test]
fn nothing_begins_after_a_damaged_record() {
    let dir = tempfile::tempdir().unwrap();
    let (audit, mut text, _) = written(dir.path(), 5);
    let at = text.len() - 100;
    text[at] ^= 1;
    fs::write(&audit.path, &text).unwrap();
    let why = audit.begin(&[entry(9)]).unwrap_err().to_string();
    assert!(why.contains("audit.jsonl: the last record"), "{why}");
    assert_eq!(fs::read(&audit.path).unwrap(), text, "it stays as it is");
}
