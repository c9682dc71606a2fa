//! `hpt completion SHELL`, and what a shell asks for as somebody types: verbs, options, targets.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use hpt_keystore::client;

use crate::args::{Global, command};
use crate::context::Context;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
#[command(after_help = "\
Verbs, options, and the names of targets are completed.

Examples:
  source <(hpt completion bash)                  in ~/.bashrc
  source <(hpt completion zsh)                   in ~/.zshrc
  hpt completion fish > ~/.config/fish/completions/hpt.fish")]
pub(crate) struct Args {
    /// Which: bash, zsh, fish, elvish, powershell
    #[arg(value_parser = Shells::builtins().names().collect::<Vec<_>>())]
    shell: String,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell).expect("clap has looked");
    let mut script = Vec::new();
    let written = shell.write_registration(
        Variable::HPT_COMPLETE.name(),
        "hpt",
        "hpt",
        "hpt",
        &mut script,
    );
    written.map_err(|why| CommandError::new(Exit::Failed, why))?;
    context
        .terminal
        .say(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}

/// Answers a shell that asks, and ends this process then.
pub(crate) fn answer() {
    if env(Variable::HPT_COMPLETE).is_some() {
        let variable = Variable::HPT_COMPLETE.name();
        CompleteEnv::with_factory(command).var(variable).complete();
    }
}

/// The targets whose names begin so.
pub(crate) fn targets(begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_str().unwrap_or_default();
    let names = names().into_iter().filter(|name| name.starts_with(begun));
    names.map(CompletionCandidate::new).collect()
}

/// The same for the last word of a pattern.
pub(crate) fn pattern(begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_str().unwrap_or_default();
    let ends = |c: char| c.is_whitespace() || "&|,!(".contains(c);
    let (before, word) = begun.split_at(begun.rfind(ends).map_or(0, |at| at + 1));
    let names = names().into_iter().filter(|name| name.starts_with(word));
    let whole = |name| CompletionCandidate::new(format!("{before}{name}"));
    names.map(whole).collect()
}

/// Nobody is asked for a passphrase, and nothing is said of a keystore that cannot be read.
fn names() -> Vec<String> {
    let global = Global::default();
    let path: Result<PathBuf, _> = Context::new(&global).keystore();
    let names = path.ok().and_then(|path| client::names(&path).ok());
    let names = names.unwrap_or_default().into_iter();
    names.map(|name| name.to_string()).collect()
}
