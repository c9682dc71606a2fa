//! The first page is true: its session is typed on a real host, and prints what the page shows.
//!
//! `HPT_BLESS=1 cargo test --test readme` writes what was printed into the page.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod lab;

use std::fs;
use std::path::Path;

use lab::{HPT, Lab};

/// The text between a fence of this sort and its end.
fn fenced<'a>(page: &'a str, sort: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("```{sort}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// A session with what differs from run to run taken out: times, digests, fingerprints, and which
/// version of a package Debian has come to.
fn steady(session: &str) -> String {
    let steady_word = |word: &str| {
        let is_digest = word.len() == 9
            && word.as_bytes()[4] == b'-'
            && word.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
        let is_key =
            word.starts_with("hptclient1") || word.len() == 39 && word.matches('-').count() == 7;
        let is_number = word.contains('.') && word.parse::<f64>().is_ok();
        let is_version = word.contains("+deb12u");
        if is_digest || is_key {
            "DIGEST".to_owned()
        } else if is_version {
            "VERSION".to_owned()
        } else if is_number {
            "SECONDS".to_owned()
        } else {
            word.to_owned()
        }
    };
    session
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().map(steady_word).collect();
            // A time at the end of a line is there when it took long enough to matter.
            match words.as_slice() {
                [rest @ .., number, unit] if number == "SECONDS" && unit == "s" => rest.join(" "),
                all => all.join(" "),
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_session_on_the_first_page_is_real() {
    let Some(lab) = Lab::up(&["web1"]) else {
        return;
    };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = fs::read_to_string(&readme).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("site.toml"), fenced(&page, "toml")).unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(HPT, dir.path().join("bin/hpt")).unwrap();

    let shown = fenced(&page, "console");
    let mut session = String::new();
    for line in shown.lines().filter(|line| line.starts_with("$ ")) {
        let typed = format!("cd {} && {} 2>&1", dir.path().display(), &line[2..]);
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            dir.path().join("bin").display()
        );
        let output = lab
            .ws(&["sh", "-c", &typed])
            .env("HPT_KEYSTORE", dir.path().join("client.db"))
            .env("PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}\n{text}");
        let text = text.replace(&dir.path().display().to_string(), "~");
        session += &format!("{line}\n{text}");
    }
    if std::env::var_os("HPT_BLESS").is_some() {
        fs::write(&readme, page.replacen(shown, &session, 1)).unwrap();
        return;
    }
    assert_eq!(
        steady(&session),
        steady(shown),
        "the page does not show what hpt prints"
    );
}
