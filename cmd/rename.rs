//! `hpt rename`: another name for a target.

use hpt_keystore::{TargetName, client};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is called
    #[arg(value_name = "NAME", value_parser = TargetName::parse)]
    from: TargetName,

    /// What it will be called
    #[arg(value_name = "NEW_NAME", value_parser = TargetName::parse)]
    to: TargetName,
}

#[derive(Serialize)]
struct Renamed<'a> {
    event: &'static str,
    name: &'a str,
    was: &'a str,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    client::rename(&context.keystore()?, &args.from, &args.to)?;
    context
        .terminal
        .note(format_args!("{} is called {} here now", args.from, args.to));
    let (name, was) = (args.to.as_str(), args.from.as_str());
    context.terminal.json(&Renamed {
        event: "renamed",
        name,
        was,
    });
    Ok(Exit::Done)
}
