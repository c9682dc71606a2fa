//! The pages of docs/reference about the program itself, made from what the program is made from: each
//! flag, exit code and variable of the environment has its text, or this does not pass.

use std::fs;
use std::path::Path;

use clap::{Arg, Command};

use crate::args::{EXAMPLES, command};
use crate::env::{OF_LIBRARIES, Variable};
use crate::error::Exit;

/// Compares a page with what it must be; `HPT_BLESS=1` writes it anew.
#[allow(clippy::disallowed_methods, reason = "a variable of tests alone")]
fn is_committed(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/reference")
        .join(name);
    if std::env::var_os("HPT_BLESS").is_some() {
        fs::write(&path, text).expect("a folder of the repository");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{name} is not what the source says; HPT_BLESS=1 writes it anew"
    );
}

/// What an exit code means in full, and the code that follows it in the list.
fn meaning(exit: Exit) -> (&'static str, Option<Exit>) {
    match exit {
        Exit::Done => (
            "Everything is as it should be. For `hpt plan` this is so whether or not changes are pending, \
             unless `--detailed-exitcode` is given.",
            Some(Exit::Failed),
        ),
        Exit::Failed => (
            "Something failed: a block, a file that cannot be written, a result that cannot be printed; \
             or `--check` of `hpt fmt` and `hpt fix` has found something to change.",
            Some(Exit::Pending),
        ),
        Exit::Pending => (
            "`hpt plan --detailed-exitcode` has found changes, and nothing wrong. Or `hpt drift` has found \
             that something has moved.",
            Some(Exit::Config),
        ),
        Exit::Config => (
            "The config is invalid, or names a source or secret that is not there. Nothing was changed; \
             what can be known without a target is judged before one is contacted.",
            Some(Exit::NotAllowed),
        ),
        Exit::NotAllowed => ("The target does not allow it.", Some(Exit::Unreachable)),
        Exit::Unreachable => (
            "The target cannot be reached: nobody answers, or somebody who has other keys.",
            Some(Exit::Busy),
        ),
        Exit::Busy => (
            "Another run holds the host. `hpt status` tells of it.",
            Some(Exit::Lost),
        ),
        Exit::Lost => (
            "The session was lost while the run goes on. It ends by itself; `hpt attach` tells how.",
            Some(Exit::Reverted),
        ),
        Exit::Reverted => (
            "The run was reverted: a `[[check]]` failed. Or it was not confirmed in time, and the host has \
             undone it: after the run this machine could not begin a new session with it. `hpt attach` \
             shows what was put back.",
            Some(Exit::Keystore),
        ),
        Exit::Keystore => (
            "The keystore is missing, damaged, or in use by another process; or its passphrase is wrong.",
            Some(Exit::InDoubt),
        ),
        Exit::InDoubt => (
            "A run broke off: its process was killed, or the host lost its power. `hpt status` tells how \
             far it had come. A command that it may have run is run again only with `--rerun`.",
            Some(Exit::Usage),
        ),
        Exit::Usage => (
            "The command line makes no sense, or `hpt explain` knows no such word.",
            Some(Exit::Bug),
        ),
        Exit::Bug => ("A bug in hpt. Please report it, with what you typed.", None),
    }
}

#[test]
fn each_exit_code_has_its_text() {
    let mut page = "# Exit codes\n\n| code | meaning |\n|---|---|\n".to_owned();
    let mut next = Some(Exit::Done);
    let mut codes = Vec::new();
    while let Some(exit) = next {
        let (text, after) = meaning(exit);
        page += &format!("| {} | {text} |\n", exit.code());
        codes.push(exit.code());
        next = after;
    }
    assert!(codes.is_sorted(), "{codes:?}");
    let help = EXAMPLES
        .split("Exit codes:")
        .nth(1)
        .expect("the help has them");
    for code in codes {
        assert!(help.contains(&format!(" {code}  ")), "--help has no {code}");
    }
    is_committed("exit-codes.md", &page);
}

#[test]
fn each_variable_has_its_text() {
    let own = Variable::ALL
        .iter()
        .map(|(variable, text)| (variable.name(), *text));
    let mut page = "# The environment\n\nAn empty variable counts as one that is not set.\n\n\
        | variable | what it says |\n|---|---|\n"
        .to_owned();
    for (name, text) in own.chain(OF_LIBRARIES.iter().copied()) {
        let text = text.trim();
        assert!(text.ends_with('.') && text.len() > 15, "{name}: {text:?}");
        page += &format!("| `{name}` | {text} |\n");
    }
    page += "\nA `[secret.NAME]` with `env` reads the variable that it names.\n";
    is_committed("environment.md", &page);
}

/// Only `cmd/env.rs` reads the environment, so that no variable is without an entry there.
#[test]
fn one_file_reads_the_environment() {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("readable"))
        {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            let reads = ["env::var", "env::vars", "Arg::env"].map(|word| format!("{word}("));
            let reads =
                text.contains("std::env::var_os(") || reads.iter().any(|word| text.contains(word));
            if reads {
                found.push(
                    path.file_name()
                        .expect("a name")
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    let mut found = Vec::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("cmd"),
        &mut found,
    );
    found.sort();
    assert_eq!(found, ["env.rs", "reference.rs"]);
}

#[test]
fn each_verb_and_flag_has_its_text() {
    let mut root = command();
    root.build();
    let mut page = "# The command line\n\n\
        `hpt [OPTIONS] FILE...` is short for `hpt [OPTIONS] provision FILE...`.\n\n\
        ## Options of every verb\n\n\
        A verb that has no use for one of those under \"Where\" and \"Keys\" refuses it.\n\n"
        .to_owned();
    let shared: Vec<Arg> = root
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .cloned()
        .collect();
    page += &options("hpt", shared.iter());
    for verb in root.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        page += &section("hpt", verb, &shared);
    }
    is_committed("command-line.md", &page);
}

/// One verb, and those below it.
fn section(above: &str, verb: &Command, shared: &[Arg]) -> String {
    let name = format!("{above} {}", verb.get_name());
    let about = verb
        .get_about()
        .unwrap_or_else(|| panic!("{name} has no text"));
    let own = verb.get_arguments().filter(|arg| {
        let is_shared = shared.iter().any(|other| other.get_id() == arg.get_id());
        !is_shared && !arg.is_hide_set() && arg.get_id() != "help"
    });
    let mut text = format!("\n## {name}\n\n{about}.\n\n{}", options(&name, own));
    if let Some(after) = verb.get_after_help() {
        text += &format!("\n```text\n{after}\n```\n");
    }
    for inner in verb
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        text += &section(&name, inner, shared);
    }
    text
}

/// A table of arguments and options.
fn options<'a>(of: &str, all: impl Iterator<Item = &'a Arg>) -> String {
    let rows = all.map(|arg| {
        let name = arg.get_id();
        let help = arg
            .get_help()
            .unwrap_or_else(|| panic!("{of}: {name} has no text"));
        let help = help.to_string().replace('\n', " ").replace('|', "\\|");
        assert!(help.len() > 3, "{of}: {name}: {help:?}");
        let values = arg
            .get_value_names()
            .filter(|_| arg.get_action().takes_values());
        let value = values.map_or(String::new(), |names| format!(" {}", names.join(" ")));
        let short = arg.get_short().map(|short| format!("`-{short}{value}`"));
        let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
        let written: Vec<String> = short.into_iter().chain(long).collect();
        let written = match written.as_slice() {
            [] => format!("`{}`", value.trim()),
            some => some.join(", "),
        };
        let default = arg.get_default_values().first();
        let default = default.filter(|_| arg.get_action().takes_values());
        let default = default.map_or(String::new(), |value| format!("; `{}`", value.display()));
        format!("| {written} | {help}{default} |\n")
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    format!("| option | what it says |\n|---|---|\n{rows}")
}
