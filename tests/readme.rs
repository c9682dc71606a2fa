//! The pages that a newcomer reads first are true: their sessions are typed on a real host, and print what
//! the page shows.
//!
//! `HPT_BLESS=1 cargo test --test readme` writes what was printed into the pages.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod lab;

use std::fs;
use std::path::Path;

use lab::{HPT, Lab};

/// What differs from run to run, by how it is written: times, digests, fingerprints, ids of runs, and which
/// version of a package Debian has come to.
fn steady_word(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', ',']);
    let is_hex = |c: char| c.is_ascii_hexdigit();
    let parts: Vec<&str> = bare.split('-').collect();
    let is_made_of = |lengths: &[usize]| {
        parts
            .iter()
            .map(|part| part.len())
            .eq(lengths.iter().copied())
    };
    let is_all = |is: &dyn Fn(char) -> bool| bare.chars().all(|c| c == '-' || is(c));
    let is_digest =
        (is_made_of(&[4; 8]) || is_made_of(&[4, 4]) || is_made_of(&[16])) && is_all(&is_hex);
    let is_number = bare.contains('.') && bare.parse::<f64>().is_ok();
    let kind = if is_digest || bare.starts_with("hptclient1") {
        "DIGEST"
    } else if is_made_of(&[8, 6, 4]) && bare.starts_with("20") {
        "RUN"
    } else if is_made_of(&[4, 2, 2]) && is_all(&|c| c.is_ascii_digit()) {
        "DAY"
    } else if bare.len() == 8 && bare.bytes().filter(|c| *c == b':').count() == 2 {
        "TIME"
    } else if bare.contains("+deb12u") {
        "VERSION"
    } else if is_number {
        "SECONDS"
    } else {
        return word.to_owned();
    };
    word.replace(bare, kind)
}

/// A session without what differs.
fn steady(session: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<_> = line.split_whitespace().map(steady_word).collect();
        // How long ago something was.
        for at in 2..words.len() {
            if words[at] == "ago" {
                words[at - 2].replace_range(.., "N");
            }
        }
        // A time at the end of a line is there when it took long enough to matter.
        match words.as_slice() {
            [rest @ .., number, unit] if number == "SECONDS" && unit == "s" => rest.join(" "),
            all => all.join(" "),
        }
    };
    session.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Types the sessions of a page, each with the config above it as `site.toml`, and compares what is printed; of
/// one of them alone, if its number is given.
fn type_page(name: &str, lab: &Lab, only: Option<usize>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let page = fs::read_to_string(&path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(HPT, dir.path().join("bin/hpt")).unwrap();
    let sessions = page.match_indices("```console\n").enumerate();
    let mut meant = sessions.filter(|(number, _)| only.is_none_or(|only| only == *number));
    let mut count = 0;
    for (_, (at, fence)) in &mut meant {
        if let Some(config) = last_config(&page[..at]) {
            fs::write(dir.path().join("site.toml"), config).unwrap();
        }
        let (shown, _) = page[at + fence.len()..].split_once("```").unwrap();
        let session = type_session(shown, dir.path(), lab);
        count += 1;
        if std::env::var_os("HPT_BLESS").is_some() {
            let page = fs::read_to_string(&path).unwrap(); // another session may have been written
            fs::write(&path, page.replacen(shown, &session, 1)).unwrap();
            continue;
        }
        let what = "the page does not show what hpt prints";
        assert_eq!(steady(&session), steady(shown), "{what}");
    }
    assert!(count > 0, "{name} has no such session");
}

/// The text of the last fence of TOML.
fn last_config(page: &str) -> Option<&str> {
    let (_, from) = page.rsplit_once("```toml\n")?;
    Some(from.split_once("```").unwrap().0)
}

/// Types the lines of a session that begin with `$`; those lines, each with what was printed.
fn type_session(shown: &str, dir: &Path, lab: &Lab) -> String {
    let mut session = String::new();
    for line in shown.lines().filter(|line| line.starts_with("$ ")) {
        // On a machine and as a user with names of their own, as keys are named after both.
        let typed = format!(
            "hostname laptop && cd {} && {} 2>&1",
            dir.display(),
            &line[2..]
        );
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            dir.join("bin").display()
        );
        let output = lab
            .ws(&["unshare", "--uts", "sh", "-c", &typed])
            .env("HPT_KEYSTORE", dir.join("client.db"))
            .env("PATH", path)
            .env("USER", "ana")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}\n{text}");
        let text = text.replace(&dir.display().to_string(), "~");
        session += &format!("{line}\n{text}");
    }
    session
}

#[test]
fn the_session_on_the_first_page_is_real() {
    if let Some(lab) = Lab::bare(&["web1"]) {
        type_page("README.md", &lab, Some(0));
    }
}

/// A newcomer types what the page says, and no more, and has two hosts.
#[test]
fn a_newcomer_has_two_hosts_by_six_commands() {
    let Some(lab) = Lab::bare(&["web1", "web2"]) else {
        return;
    };
    let page = include_str!("../README.md");
    let (_, many) = page.split_once("\n## Many hosts\n").unwrap();
    let (_, shown) = many.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let typed = shown.lines().filter(|line| line.starts_with("$ "));
    assert!(typed.count() <= 6, "{shown}");
    type_page("README.md", &lab, Some(1));
    for host in ["web1", "web2"] {
        let fetch =
            format!("import urllib.request as web; print(web.urlopen('http://{host}/').read())");
        let output = lab.ws(&["python3", "-c", &fetch]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("hello from {host}")), "{text}");
        assert!(lab.ok(host, &["id", "-nG", "ana"]).contains("sudo"));
    }
}

#[test]
fn the_sessions_on_the_first_page_of_the_book_are_real() {
    if let Some(lab) = Lab::bare(&["web1"]) {
        type_page("docs/begin.md", &lab, None);
    }
}
