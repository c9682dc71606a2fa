//! The first page is true: its sessions are typed for real hosts, and print what the page shows.
//!
//! `HPT_BLESS=1 cargo test --test readme` writes what was printed into the page.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};

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
            let words = line.split_whitespace();
            let words: Vec<_> = words
                .map(|word| steady_word(word.trim_matches(['(', ')'])))
                .collect();
            // A time at the end of a line is there when it took long enough to matter.
            match words.as_slice() {
                [rest @ .., number, unit] if number == "SECONDS" && unit == "s" => rest.join(" "),
                all => all.join(" "),
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Types the session of a page on a workstation that has the page's config and hpt, and no keys.
/// It is shown as the page shows it, or written into the page.
fn typed_as_shown(lab: &Lab, page: &str, shown: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("site.toml"), fenced(page, "toml")).unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(HPT, dir.path().join("bin/hpt")).unwrap();

    let mut session = String::new();
    for line in commands(shown) {
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
        let page = fs::read_to_string(readme()).unwrap(); // another test may have written it
        fs::write(readme(), page.replacen(shown, &session, 1)).unwrap();
        return;
    }
    assert_eq!(
        steady(&session),
        steady(shown),
        "the page does not show what hpt prints"
    );
}

/// The lines that somebody types.
fn commands(shown: &str) -> Vec<&str> {
    let is_typed = |line: &&str| line.starts_with("$ ");
    shown.lines().filter(is_typed).collect()
}

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

#[test]
fn the_session_on_the_first_page_is_real() {
    let Some(lab) = Lab::bare(&["web1"]) else {
        return;
    };
    let page = fs::read_to_string(readme()).unwrap();
    typed_as_shown(&lab, &page, fenced(&page, "console"));
}

/// A newcomer types what the page says, and no more, and has two hosts.
#[test]
fn a_newcomer_has_two_hosts_by_six_commands() {
    let Some(lab) = Lab::bare(&["web1", "web2"]) else {
        return;
    };
    let page = fs::read_to_string(readme()).unwrap();
    let (_, many) = page.split_once("\n## Many hosts\n").unwrap();
    let shown = fenced(many, "console");
    assert!(commands(shown).len() <= 6, "{shown}");
    typed_as_shown(&lab, &page, shown);
    for host in ["web1", "web2"] {
        let fetch =
            format!("import urllib.request as web; print(web.urlopen('http://{host}/').read())");
        let output = lab.ws(&["python3", "-c", &fetch]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("hello from {host}")), "{text}");
        assert!(lab.ok(host, &["id", "-nG", "ana"]).contains("sudo"));
    }
}
