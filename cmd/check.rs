//! `hpt check`: a config judged without contacting anything.

use std::path::PathBuf;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::given;
use crate::print::{json, plural};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Config files, executed one after another
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    given: given::Options,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let config = context.read_config(&args.files, args.given.read()?)?;
    let warnings = &config.outline.warnings;
    context
        .terminal
        .json(&json::Checked::new(&config.files, warnings));
    let names = config
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let but = match warnings.len() {
        0 => String::new(),
        count => format!(", with {}", plural(count, "warning")),
    };
    context.terminal.say(format_args!("{names}: valid{but}"));
    Ok(Exit::Done)
}
