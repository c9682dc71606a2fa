//! `hpt man`: the manual, as files.

use std::fs;
use std::path::PathBuf;

use crate::args::command;
use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  hpt man /usr/local/share/man/man1")]
pub(crate) struct Args {
    /// Write hpt.1, and a page for each verb, into this directory
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(command(), &args.dir))
        .map_err(CommandError::io("write the manual there", &args.dir))?;
    let dir = args.dir.display();
    context.terminal.note(format_args!(
        "{dir} has the manual: hpt.1, and a page for each verb"
    ));
    Ok(Exit::Done)
}
