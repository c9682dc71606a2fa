//! What an operator sees of a target's audit, and that it is told when somebody has changed it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::serving::Place;

const MOTD: &str = "[[file]]\npath = \"/motd\"\ncontent = \"hello\\n\"\n";

/// A target that was provisioned and undone: its audit has six records.
fn provisioned() -> (Place, PathBuf) {
    let place = Place::serving();
    place.write("motd.toml", MOTD);
    // Whoever knocked to see whether it serves has been written down by then.
    place.web1(&["status"]).exits(0);
    let began = Instant::now();
    while !place.web1(&["log"]).out.contains("session refused") {
        assert!(began.elapsed() < Duration::from_secs(10), "no such record");
    }
    place.web1(&["motd.toml"]).exits(0);
    place.web1(&["undo", "--yes"]).exits(0);
    let roots = fs::read_dir(place.path("state/roots")).unwrap();
    let root = roots.last().unwrap().unwrap().path();
    (place, root.join("audit.jsonl"))
}

#[test]
fn a_log_tells_who_did_what() {
    let (place, file) = provisioned();
    let log = place.web1(&["log"]).exits(0);
    let words = [
        "served",
        "session refused",
        "run began",
        "run ended",
        "undo began",
        "undo ended",
    ];
    assert_eq!(log.out.lines().count(), words.len(), "{}", log.out);
    for (line, words) in log.out.lines().zip(words) {
        assert!(line.contains(words), "{line}");
    }
    assert!(log.out.contains("changed 1"), "{}", log.out);
    let last = place.web1(&["log", "--from", "6", "--json"]).exits(0);
    let object: serde_json::Value = serde_json::from_str(&last.out).unwrap();
    assert_eq!(
        (&object["kind"], &object["seq"]),
        (&"undo-ended".into(), &6.into())
    );

    place.web1(&["audit", "verify"]).exits(0).says("6 records");
    let raw = place.web1(&["log", "--from", "1", "--raw"]).exits(0);
    place.write("raw.jsonl", raw.out);
    let raw = place.run(&["audit", "verify", "raw.jsonl"]).exits(0);
    raw.says("6 records");
    place.web1(&["--json", "log", "--raw"]).exits(64);
    place.write("copy.jsonl", fs::read(&file).unwrap());
    let copy = place.run(&["audit", "verify", "copy.jsonl"]).exits(0);
    assert!(copy.out.contains("6 records"), "{}", copy.out);
    let text = fs::read_to_string(&file).unwrap();
    place.write(
        "copy.jsonl",
        text.replacen("\"run-ended\"", "\"run-ENDED\"", 1),
    );
    let copy = place.run(&["audit", "verify", "copy.jsonl"]).exits(1);
    assert!(
        copy.err.contains("copy.jsonl: record 4 was changed"),
        "{}",
        copy.err
    );
}

/// L2: at the next contact, whatever it is for.
#[test]
fn an_audit_that_was_cut_is_noticed_at_the_next_contact() {
    let (place, file) = provisioned();
    place.web1(&["status"]).exits(0);
    let whole = fs::read_to_string(&file).unwrap();
    let cut: Vec<_> = whole.split_inclusive('\n').take(4).collect();
    fs::write(&file, cut.concat()).unwrap();

    for verb in [&["status"][..], &["plan", "motd.toml"], &["facts"]] {
        let ran = place.web1(verb).exits(0);
        let words = "web1's audit was cut or forked: it ends at record 4, and record 6";
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    let json = place.web1(&["--json", "status"]).exits(0);
    assert!(
        json.out
            .contains(r#"{"event":"audit","target":"web1","broken":"it ends"#),
        "{}",
        json.out
    );
    let ran = place.web1(&["audit", "verify"]).exits(1);
    assert!(ran.err.contains("web1: record 5 is missing"), "{}", ran.err);

    // What is recorded since is a fork.
    place.web1(&["motd.toml"]).exits(0);
    let ran = place.web1(&["status"]).exits(0);
    assert!(
        ran.err
            .contains("record 6 is another than the one that was there earlier"),
        "{}",
        ran.err
    );
    // Nor does it help to put the record that was seen last where it is looked for.
    let forged = fs::read_to_string(&file).unwrap();
    let seen = whole.split_inclusive('\n').nth(5).unwrap();
    place.web1(&["undo", "--yes"]).exits(0);
    let longer = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        longer.replacen(forged.split_inclusive('\n').nth(5).unwrap(), seen, 1),
    )
    .unwrap();
    for _ in 0..2 {
        let ran = place.web1(&["status"]).exits(0);
        let words = "its records up to 8 do not follow from record 6 as it was";
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    fs::write(&file, longer).unwrap();
    let ran = place.web1(&["audit", "verify"]).exits(1);
    assert!(ran.err.contains("web1: record 6 is another"), "{}", ran.err);

    place.web1(&["audit", "accept"]).exits(0);
    let ran = place.web1(&["audit", "verify"]).exits(0);
    assert!(!ran.err.contains("warning"), "{}", ran.err);

    fs::write(&file, &whole).unwrap();
    let ran = place.web1(&["status"]).exits(0);
    assert!(
        ran.err
            .contains("it ends at record 6, and record 8 was there earlier"),
        "an old audit came back: {}",
        ran.err
    );
    fs::write(&file, "nothing of hpt's\n").unwrap();
    let words = format!(
        "{}: the last record of the audit is damaged; move this",
        file.display()
    );
    place.web1(&["status"]).exits(0).says(&words);
    fs::remove_file(&file).unwrap();
    let ran = place.web1(&["status"]).exits(0);
    assert!(ran.err.contains("it ends at record 0"), "{}", ran.err);

    // It is accepted that there is none, too.
    let words = "web1 has no audit yet, and what was seen of an earlier one is forgotten";
    place.web1(&["audit", "accept"]).exits(0).says(words);
    let ran = place.web1(&["status"]).exits(0);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}
