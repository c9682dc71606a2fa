//! Every bad config of testdata/bad, as typed: exit 3, `file:line:column` and the line itself, and
//! nothing contacted.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

#[test]
fn each_is_refused_before_anything_is_contacted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bad");
    let dir = tempfile::tempdir().unwrap();
    // Whoever were contacted would be this one, and would keep hpt waiting for an answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let hpt = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpt"));
        command
            .args(args)
            .current_dir(&dir)
            .env("HPT_KEYSTORE", dir.path().join("client.db"));
        command.output().unwrap()
    };
    assert!(hpt(&["gen-client-keys"]).status.success());
    assert!(
        hpt(&["gen-target-keys", "--target", "web1", "--ip", "127.0.0.1"])
            .status
            .success()
    );

    let mut count = 0;
    let mut wrong = Vec::new();
    for file in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if file.extension().is_none_or(|e| e != "txt") {
            continue;
        }
        for case in fs::read_to_string(&file).unwrap().split("#--- ").skip(1) {
            let (head, text) = case.split_once('\n').unwrap();
            let place = head.split(' ').next().unwrap();
            fs::write(dir.path().join("bad.toml"), text).unwrap();
            let output = hpt(&[
                "--target",
                "web1",
                "--port",
                &port,
                "provision",
                "--yes",
                "bad.toml",
            ]);
            let told = String::from_utf8_lossy(&output.stderr);
            if output.status.code() != Some(3) || !told.contains(&format!("bad.toml:{place}")) {
                wrong.push(format!(
                    "{place}: {:?}\n{told}\n{text}",
                    output.status.code()
                ));
            }
            count += 1;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 500, "{count} cases");
    assert!(listener.accept().is_err(), "a target was contacted");
}
