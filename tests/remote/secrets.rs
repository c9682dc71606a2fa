//! Keys and secrets: what opens them, and where they are not.

use std::fs;

use super::serving::Place;

#[test]
fn a_sealed_key_opens_with_its_passphrase_alone() {
    let place = Place::serving();
    let sealed = Place::new();
    fs::remove_file(sealed.path("client.db")).unwrap();
    let make = ["gen-client-keys", "--passphrase-fd", "0"];
    sealed.run_with(&make, "correct horse\n").exits(0);
    sealed
        .run(&["gen-target-keys", "--target", "web2", "--ip", "127.0.0.1:1"])
        .exits(0);
    let status = ["--target", "web2", "--passphrase-fd", "0", "status"];
    sealed
        .run_with(&status, "wrong\n")
        .exits(9)
        .says("wrong passphrase");
    sealed
        .run_with(&status, "correct horse\n")
        .exits(5)
        .says("Connection refused");
    sealed
        .run(&["--target", "web2", "status"])
        .exits(9)
        .says("--passphrase-fd");
    drop(place);
}

/// S1: the value of a secret is on the host where it belongs, and nowhere else.
#[test]
fn a_secret_is_shown_nowhere() {
    const CANARY: &str = "canary-5f1d0c3e";
    let place = Place::serving();
    place.write("db", format!("{CANARY}\n"));
    place.write(
        "site.toml",
        "[secret.db]\nfile = \"db\"\n[[file]]\npath = \"/env\"\ncontent = \"DB={{ secret.db }}\\n\"\n",
    );
    let wrong = "[secret.db]\nfile = \"db\"\n[[file]]\npath = \"/env\"\ncontent = \"{{ secret.db + 1 }}\"\n";
    place.write("wrong.toml", wrong);
    for args in [
        &["-vvv", "plan", "site.toml"][..],
        &["-vvv", "--json", "plan", "site.toml"],
        &["-vvv", "provision", "site.toml"],
        &["-vvv", "--json", "provision", "site.toml"],
        &["-vvv", "provision", "wrong.toml"],
        &["-vvv", "--json", "provision", "wrong.toml"],
    ] {
        let ran = place.web1(args);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(!all.contains(CANARY), "{args:?}\n{all}");
    }
    assert_eq!(place.read("root/env"), format!("DB={CANARY}\n"));
    assert!(!place.read("serve.log").contains(CANARY));
    for entry in fs::read_dir(place.path("state/blobs")).unwrap() {
        let kept = fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !String::from_utf8_lossy(&kept).contains(CANARY),
            "it lies in the blob store"
        );
    }
}

/// H15: a process that holds keys leaves no core.
#[test]
fn no_core_is_left() {
    let place = Place::serving();
    let limits = fs::read_to_string(format!("/proc/{}/limits", place.server_id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{line}");
}
