//! The book: its list has every page of docs once, no link leads nowhere, and what its pages show as
//! typed was typed by a test.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The pages whose sessions `tests/readme.rs` types.
const TYPED: [&str; 1] = ["begin.md"];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Every page below a folder, by its path from docs.
fn pages() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["", "reference"] {
        for entry in fs::read_dir(docs().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert!(
                    path.ends_with("reference"),
                    "{}: walk it here too",
                    path.display()
                );
            } else if path.extension().is_some_and(|end| end == "md") {
                let name = path.strip_prefix(docs()).unwrap().to_str().unwrap();
                found.insert(name.to_owned());
            }
        }
    }
    assert!(found.remove("SUMMARY.md"));
    found
}

/// Where the links of a page lead, outside of its fences and of text in backquotes.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("");
        let ends = plain.split("](").skip(1);
        found.extend(ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

/// How a heading is named in a link.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let text: String = heading.trim().chars().filter(kept).collect();
    text.to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn the_list_has_every_page_once() {
    let list = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let mut listed = links(&list);
    let count = listed.len();
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), count, "a page is listed twice");
    assert_eq!(listed, Vec::from_iter(pages()));
}

#[test]
fn no_link_leads_nowhere() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let own = pages().into_iter().map(|page| docs().join(page));
    let mut count = 0;
    for page in own.chain([docs().join("SUMMARY.md"), readme.clone()]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            count += 1;
            let (file, at) = link.split_once('#').unwrap_or((&link, ""));
            let shown = format!("{}: {link}", page.display());
            let there = match file {
                "" => page.clone(),
                file => page.with_file_name("").join(file),
            };
            let there = there
                .canonicalize()
                .unwrap_or_else(|why| panic!("{shown}: {why}"));
            // A book has nothing but its own pages.
            assert!(
                page == readme || there.starts_with(docs()),
                "{shown} leaves the book"
            );
            if !at.is_empty() {
                let anchors = anchors(&fs::read_to_string(&there).unwrap());
                assert!(anchors.contains(at), "{shown}: {anchors:?}");
            }
        }
    }
    assert!(count > 80, "only {count} links were found");
}

#[test]
fn what_a_page_shows_as_typed_was_typed() {
    let has_session = |page: &String| {
        let text = fs::read_to_string(docs().join(page)).unwrap();
        text.contains("```console")
    };
    let shown: Vec<_> = pages().into_iter().filter(has_session).collect();
    assert_eq!(shown, TYPED, "tests/readme.rs types other sessions");
}

#[test]
fn links_are_those_outside_of_code() {
    let text = "[a](b.md#c-d) `[x](y)` [e](f.md)\n```\n[g](h)\n```\n";
    assert_eq!(links(text), ["b.md#c-d", "f.md"]);
    assert_eq!(anchor(" Fields of `every` block!"), "fields-of-every-block");
}
