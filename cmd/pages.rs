//! Each command line of hpt that a page shows is one that hpt takes: those in fences of `sh` and
//! `console`, those in examples, and those in the midst of a sentence.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use hpt_keystore::{Keypair, Role};

use crate::args::CommandLine;
use crate::error::{CommandError, Problem};

/// What stands for something else in a command that a sentence names.
const PLACEHOLDERS: [&str; 3] = ["...", "VERB", "…"];

/// All pages that people read.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    for folder in ["docs", "examples", "packaging", "benches"] {
        walk(&root.join(folder), &mut found);
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the repository");
    for path in entries.map(|entry| entry.expect("readable").path()) {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

/// The commands of hpt in a page, and whether each stands in the midst of a sentence.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut fence: Option<&str> = None;
    let mut found = Vec::new();
    let text = text.replace("\\\n", " "); // a command may go on in the next line
    for line in text.lines() {
        if let Some(sort) = line.strip_prefix("```") {
            fence = fence.is_none().then_some(sort);
            continue;
        }
        match fence {
            Some("console") => found.extend(line.strip_prefix("$ ").map(|line| (line, false))),
            Some("sh" | "text" | "") => found.push((line.trim_start(), false)),
            Some(_) => {}
            None => {
                let spans = line.split('`').skip(1).step_by(2);
                let whole = |span: &&str| !PLACEHOLDERS.iter().any(|word| span.contains(word));
                found.extend(spans.filter(whole).map(|span| (span, true)));
            }
        }
    }
    let bare = |line: &str| line.strip_prefix("sudo ").unwrap_or(line).to_owned();
    let commands = found.into_iter().map(|(line, told)| (bare(line), told));
    commands
        .filter(|(line, _)| line.starts_with("hpt "))
        .collect()
}

/// The words of a command as a shell parts them, up to where the command ends: at a pipe, a
/// redirection, or what is said about it, two spaces behind.
fn words(line: &str) -> Vec<OsString> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '>' | '<' | '&' | ';') => break,
            (None, ' ') if matches!(chars.peek(), Some(' ' | '#')) => break,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().expect("there is one").push(c),
        }
    }
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.map(|word| OsString::from(meant(word))).collect()
}

/// What somebody would type in the place of a word that stands for something longer.
fn meant(word: String) -> String {
    match word.as_str() {
        "URL" => "https://example.org/hpt".to_owned(),
        "KEY" | "hptclient1nar3g..." => Keypair::generate().identity().to_text(Role::Client),
        _ => word,
    }
}

/// Why hpt would not take a command line, if it would not. A sentence may name a verb alone,
/// or an option without its value.
fn refused(line: &str, is_told: bool) -> Option<String> {
    match CommandLine::of(words(line)) {
        // Help and version.
        Err(error) if !error.use_stderr() => None,
        Err(error) if is_told && is_unfinished(&error) => None,
        Err(error) => Some(error.to_string()),
        Ok(line) => match line.into_verb() {
            Err(CommandError {
                problem: Problem::Words(why),
                ..
            }) => Some(why),
            _ => None,
        },
    }
}

/// Whether only an argument is missing, or the value of an option.
fn is_unfinished(error: &clap::Error) -> bool {
    let value = error.get(ContextKind::InvalidValue);
    error.kind() == ErrorKind::MissingRequiredArgument
        || matches!(value, Some(ContextValue::String(value)) if value.is_empty())
}

#[test]
fn each_command_in_a_page_is_one_that_hpt_takes() {
    let mut showing = Vec::new();
    let mut bad = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("text");
        for (line, is_told) in commands(&text) {
            showing.push(page.clone());
            if let Some(why) = refused(&line, is_told) {
                bad.push(format!("{}: {line}\n  {why}", page.display()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    // What goes by without being read is not shown to be right.
    for page in ["README.md", "begin.md", "command-line.md", "targets.md"] {
        assert!(showing.iter().any(|shows| shows.ends_with(page)), "{page}");
    }
}

#[test]
fn a_command_that_hpt_does_not_take_is_noticed() {
    let page = "Say `hpt --target web1 ping`, or `hpt VERB`.\n```console\n$ hpt plan site.toml | less\n\
        hpt nonsense --here\n```\n```sh\nsudo hpt drift --on 'a b'  # all\nls\n```\n";
    let found = [
        ("hpt --target web1 ping".to_owned(), true),
        ("hpt plan site.toml | less".to_owned(), false),
        ("hpt drift --on 'a b'  # all".to_owned(), false),
    ];
    assert_eq!(commands(page), found);
    for (command, is_told) in &found {
        assert_eq!(refused(command, *is_told), None, "{command}");
    }
    assert_eq!(words(&found[2].0), ["hpt", "drift", "--on", "a b"]);
    assert_eq!(refused("hpt plan", true), None);
    for command in [
        "hpt plan",
        "hpt check a.toml --ye",
        "hpt --root x ping",
        "hpt plon",
    ] {
        assert!(refused(command, false).is_some(), "{command}");
    }
    assert!(refused("hpt plon", true).is_some());
}
