//! `hpt retry`: the last command on many targets once more, on all of them or on those not done.

use std::ffi::OsString;

use crate::args::CommandLine;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::Again;
use crate::print::word;
use crate::terminal::{Form, Terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Where `provision` with `--on` has not done every target, the command is kept
beside the keystore, as retry.targets, with the names of the others.

Example:
  hpt --on 'tag:prod' provision site.toml    198 done, 2 unreachable
  hpt retry --failed                         on these 2")]
pub(crate) struct Args {
    /// On those alone that were not done
    #[arg(long)]
    failed: bool,
}

/// The command line that is meant, and what it is done in.
pub(crate) fn line(
    args: &Args,
    context: &mut Context,
) -> Result<(CommandLine, Context), CommandError> {
    let path = context.retry_file()?;
    // The command goes elsewhere.
    let path = std::path::absolute(&path).unwrap_or(path);
    let Some(again) = Again::read(&path)? else {
        return Err(CommandError::usage("there is nothing to be done again")
            .hint("what `provision` or `upgrade` with --on has not done is kept for this"));
    };
    let words: Vec<_> = again.words.iter().map(|text| word(text)).collect();
    let (line, dir) = (words.join(" "), again.dir.display());
    context.terminal.note(format_args!("in {dir}: hpt {line}"));
    std::env::set_current_dir(&again.dir).map_err(CommandError::io("go there", &again.dir))?;
    let words = ["hpt".to_owned()].into_iter().chain(again.words.clone());
    let mut line = CommandLine::of(words.map(OsString::from)).map_err(|error| {
        Terminal::new(Form::Words, false).complain(error.render());
        CommandError::new(Exit::Usage, "the command that is kept makes no sense here")
    })?;
    if args.failed {
        line.global.on = Some(format!("@{}", path.display()));
    }
    let mut context = Context::new(&line.global);
    context.again = Some(again);
    Ok((line, context))
}
