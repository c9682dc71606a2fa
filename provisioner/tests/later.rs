//! What waits for a run's memory, or for a later version, is known and refused: in one line, at its place,
//! and in the same words wherever it stands. This is the list of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scaffold;

use hpt_provisioner::config::{self, Given};
use hpt_provisioner::fault::Fault;
use scaffold::files;

/// Whole blocks and tables.
const KINDS: [&str; 8] = [
    "[[check]]\nhttp = \"https://localhost/healthz\"\nexpect = 200\nwithin = \"30s\"\n",
    "[[reboot]]\nif_needed = true\nmax_wait = \"5m\"\n",
    "[[container]]\nname = \"x\"\nimage = \"x\"\n",
    "[[capability]]\nname = \"x\"\nrun = [\"/bin/x\"]\n",
    "[[need]]\nname = \"x\"\ncapability = \"y\"\n",
    "[[provide]]\ncapability = \"x\"\n",
    "[[policy]]\nname = \"x\"\n",
    "[[target]]\nname = \"x\"\n",
];

/// Fields, each in a block that is good without it.
const FIELDS: [(&str, &str); 3] = [
    ("[settings]\n", "lock_wait = \"60s\""),
    ("[[exec]]\nscript = \"x\"\nonce = \"x\"\n", "undo = \"y\""),
    (
        "[[file]]\npath = \"/x\"\ncontent = \"\"\n",
        "selinux = \"etc_t\"",
    ),
];

/// All that is wrong with a text.
fn faults(text: &str) -> Vec<Fault> {
    let faults = config::check(&files(text), "", &Given::default());
    faults.err().unwrap_or_default()
}

/// The one line that says so.
fn refusal(text: &str) -> Fault {
    let faults = faults(text);
    let [fault] = <[Fault; 1]>::try_from(faults).unwrap_or_else(|all| panic!("{text}\n{all:#?}"));
    assert!(fault.is_error() && !fault.what.contains('\n'), "{fault:?}");
    assert!(
        fault.what.ends_with("with a later version of hpt"),
        "{}",
        fault.what
    );
    fault
}

#[test]
fn blocks_that_wait_are_refused_in_one_line() {
    for text in KINDS {
        let fault = refusal(text);
        let (_, kind) = text.split_once("[[").unwrap();
        let (kind, _) = kind.split_once("]]").unwrap();
        assert!(fault.what.contains(&format!("`{kind}`")), "{}", fault.what);
        // One line, however many there are.
        let many = format!("{text}{text}");
        assert_eq!(refusal(&many).what, fault.what);
    }
}

#[test]
fn fields_that_wait_are_refused_in_one_line_at_their_place() {
    for (block, field) in FIELDS {
        let text = format!("{block}{field}\n");
        assert!(faults(block).is_empty(), "{block}");
        let fault = refusal(&text);
        let name = field.split(' ').next().unwrap();
        assert!(fault.what.contains(&format!("`{name}`")), "{}", fault.what);
        let (line, _) = fault.place.unwrap().line_column(&text);
        assert_eq!(line, block.lines().count() + 1, "{text}");
    }
}
