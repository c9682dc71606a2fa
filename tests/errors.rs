//! The catalogue of errors: what a person reads when something is wrong, word for word, and the
//! rules that all of it keeps. `HPT_BLESS=1` writes down what hpt says now.
//!
//! testdata/errors/*.txt hold the cases: `## NAME`, files as `== PATH`, commands as `$ WORDS`. Only
//! the last command may fail, and must; `? EXIT` and its stderr stand below it.

#![allow(clippy::disallowed_methods, reason = "these tests start hpt")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Cases that name nothing to type or to change, and why nobody can.
const NOTHING_TO_TYPE: [(&str, &str); 0] = [];

/// Words by which a program's inside shows.
const INSIDE: [&str; 14] = [
    "Some(",
    "None",
    "Ok(",
    "Err(",
    "Error {",
    "Error(",
    "Os {",
    "ErrorKind",
    "invalid type",
    "expected struct",
    "expected u",
    "variant",
    "wanted exactly",
    "called `Result",
];

/// Names that are written so at the beginning of a sentence too.
const NAMES: [&str; 2] = ["TOML", "HPT_"];

/// One error: how it comes about, and what is said.
struct Case {
    name: String,
    files: Vec<(String, String)>,
    commands: Vec<String>,
    /// The exit code and stderr of the last command.
    said: String,
}

impl Case {
    fn parse(text: &str) -> Self {
        let (name, body) = text.split_once('\n').unwrap();
        let mut case = Self {
            name: name.to_owned(),
            files: Vec::new(),
            commands: Vec::new(),
            said: String::new(),
        };
        for line in body.trim_end().lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                case.commands.push(command.to_owned());
            } else if !case.commands.is_empty() {
                case.said += &format!("{line}\n");
            } else if let Some(path) = line.strip_prefix("== ") {
                case.files.push((path.to_owned(), String::new()));
            } else {
                let (_, text) = case.files.last_mut().unwrap();
                *text += &format!("{line}\n");
            }
        }
        case
    }

    fn written(&self) -> String {
        let mut text = format!("## {}\n", self.name);
        for (path, content) in &self.files {
            text += &format!("== {path}\n{content}");
        }
        for command in &self.commands {
            text += &format!("$ {command}\n");
        }
        text + &self.said
    }

    /// What hpt says now, without what differs from one run to the next.
    fn run(&self, keys: &Path) -> String {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join("image")).unwrap();
        for keystore in ["client.db", "web1.keystore"] {
            fs::copy(keys.join(keystore), dir.join(keystore)).unwrap();
        }
        for (path, content) in &self.files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let (last, before) = self.commands.split_last().unwrap();
        for command in before {
            let output = shell(dir, command);
            assert!(output.status.success(), "{}: {output:?}", self.name);
        }
        let output = shell(dir, last);
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.replace(dir.to_str().unwrap(), "DIR");
        let said = without_fingerprints(&said);
        let code = output.status.code().unwrap();
        format!("? {code}\n{}\n", said.trim_end())
    }

    /// The rules that this case breaks.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut rule = |holds: bool, words: &str| {
            if !holds {
                wrong.push(format!("{}: {words}\n{}", self.name, self.said));
            }
        };
        let mut lines = self.said.lines();
        rule(lines.next() != Some("? 0"), "it is no error");
        let what = lines
            .next()
            .and_then(|line| line.strip_prefix("error: "))
            .unwrap_or_default();
        rule(!what.is_empty(), "it does not begin with `error: `");
        rule(
            self.said.matches("error: ").count() == 1,
            "a case is one error",
        );
        rule(
            what.chars().count() <= 160,
            "what is wrong is said in at most 160 characters",
        );
        let is_low = !what.starts_with(char::is_uppercase);
        let is_name = NAMES.iter().any(|name| what.starts_with(name));
        rule(is_low || is_name, "it begins in lower case");
        rule(!what.ends_with(['.', '!', ',']), "no full stop");
        for word in INSIDE {
            rule(!self.said.contains(word), &format!("it says `{word}`"));
        }
        let asks = what == "the following required arguments were not provided:"; // named below
        rule(
            self.shows_place() || self.names(what) || asks,
            "where is it?",
        );
        let next = self.next();
        rule(!next.is_empty(), "why, or what next?");
        let marks = ["`", "\"", " = ", "[[", "--", "{%", "{{"];
        let can_be_typed = next
            .iter()
            .any(|words| marks.iter().any(|mark| words.contains(mark)));
        let excepted = NOTHING_TO_TYPE.iter().any(|(name, _)| *name == self.name);
        rule(
            can_be_typed != excepted,
            "what to type or change? (NOTHING_TO_TYPE lists those that cannot say)",
        );
        wrong
    }

    /// Whether the line of a file is shown, and the place in it marked.
    fn shows_place(&self) -> bool {
        let lines: Vec<_> = self.said.lines().collect();
        let place = lines.iter().any(|line| {
            let place = line.trim_start().strip_prefix("--> ");
            let mut parts = place.unwrap_or_default().rsplit(':');
            let mut number = || parts.next().is_some_and(|part| part.parse::<u32>().is_ok());
            number() && number()
        });
        let is_source = |line: &&str| {
            let number = line.split_once(" | ").map(|(number, _)| number.trim());
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let is_mark = |line: &&str| line.trim_start().starts_with('|') && line.contains('^');
        place && lines.iter().any(is_source) && lines.iter().any(is_mark)
    }

    /// Whether a sentence names a word that was typed, or a file that is there.
    fn names(&self, what: &str) -> bool {
        let typed = self.commands.last().unwrap();
        let typed = typed.split([' ', '=', '\'']).filter(|word| word.len() > 1);
        let parts = self.commands.last().unwrap().split([' ', '.']);
        let parts = parts.filter(|word| word.len() > 3);
        let there = ["client.db", "web1.keystore", "image"].into_iter();
        let files = self.files.iter().map(|(path, _)| path.as_str());
        let files = files.chain(there).chain(parts);
        let told: BTreeSet<_> = what
            .split([' ', ',', '\'', '`', '(', ')', '=', ':', ';'])
            .flat_map(|word| [word, word.trim_start_matches("vars.")])
            .collect();
        let mut words = typed.chain(files).filter(|word| *word != "hpt");
        words.any(|word| told.contains(word))
    }

    /// The labels beside places, and the hints.
    fn next(&self) -> Vec<&str> {
        let label = |line: &'_ str| -> Option<usize> {
            let (before, _) = line.split_once('^')?;
            before.trim_matches([' ', '|', '-']).is_empty().then_some(0)
        };
        let mut next = Vec::new();
        for line in self.said.lines() {
            if let Some(hint) = line.trim_start().strip_prefix("hint: ") {
                next.push(hint);
            } else if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
                next.push(tip);
            } else if let Some(usage) = line.strip_prefix("Usage: ") {
                next.push(usage);
            } else if let Some(help) = line.strip_prefix("For more information, ") {
                next.push(help);
            } else if label(line).is_some() {
                let words = line.rsplit('^').next().unwrap().trim();
                next.extend((!words.is_empty()).then_some(words));
            }
        }
        next
    }
}

fn shell(dir: &Path, command: &str) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_hpt")).parent().unwrap();
    Command::new("sh")
        .args(["-c", command])
        .current_dir(dir)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("HPT_KEYSTORE", "client.db")
        .env("XDG_STATE_HOME", dir.join("state"))
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

/// `d350-e78a` and longer ones become `[..]`.
fn without_fingerprints(text: &str) -> String {
    let is_print = |word: &str| {
        let mut parts = word.split('-');
        word.len() > 8
            && parts.all(|part| part.len() == 4 && part.bytes().all(|c| c.is_ascii_hexdigit()))
    };
    let words = text.split_inclusive([' ', '\n', '(', ')', ';']);
    words
        .map(|word| {
            let bare = word.trim_end_matches([' ', '\n', '(', ')', ';']);
            if is_print(bare) {
                format!("[..]{}", &word[bare.len()..])
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// A keystore that knows web1, where nobody listens, and db1, of which no address is known.
fn keys() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        "gen-target-keys --target web1 --ip 127.0.0.1 --port 1",
        "gen-target-keys --target db1",
    ] {
        let output = shell(dir.path(), &format!("hpt {words}"));
        assert!(output.status.success(), "{output:?}");
    }
    dir
}

fn catalogue() -> BTreeMap<PathBuf, (String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/errors");
    let paths = fs::read_dir(folder).unwrap();
    paths
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let mut parts = text.split("## ");
            let head = parts.next().unwrap().to_owned();
            (path, (head, parts.map(Case::parse).collect()))
        })
        .collect()
}

#[test]
fn every_error_is_said_as_it_is_written_down() {
    let keys = keys();
    let bless = std::env::var_os("HPT_BLESS").is_some();
    let mut wrong = Vec::new();
    for (path, (head, mut cases)) in catalogue() {
        for case in &mut cases {
            let said = case.run(keys.path());
            if said != case.said && !bless {
                wrong.push(format!("{}:\n{}now:\n{said}", case.name, case.said));
            }
            case.said = said;
        }
        if bless {
            let texts: Vec<_> = cases.iter().map(Case::written).collect();
            fs::write(path, head + &texts.join("\n")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_error_says_what_where_why_and_what_next() {
    let cases: Vec<Case> = catalogue().into_values().flat_map(|(_, c)| c).collect();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    assert!(
        NOTHING_TO_TYPE.len() * 10 <= cases.len(),
        "at least nine of ten say what to type or change"
    );
    let mut wrong: Vec<String> = cases.iter().flat_map(Case::wrong).collect();
    let (mut names, mut sentences) = (BTreeSet::new(), BTreeSet::new());
    for case in &cases {
        let what = case.said.lines().nth(1).unwrap_or_default();
        if !names.insert(&case.name) || !sentences.insert(what) {
            wrong.push(format!("{} is there twice: {what}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
