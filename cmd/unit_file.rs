//! `hpt unit-file`: the systemd unit for `hpt serve`.

use std::path::PathBuf;

use hpt_agent::unit_file::{service, socket};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
#[command(after_help = "\
Example, on the host:
  hpt unit-file > /etc/systemd/system/hpt.service
  systemctl enable --now hpt.service")]
pub(crate) struct Args {
    /// Where hpt is on the host
    #[arg(long, value_name = "PATH", default_value = "/usr/bin/hpt")]
    program: PathBuf,

    /// The socket unit, with which hpt starts when it is first called
    #[arg(long)]
    socket: bool,
}

#[derive(Serialize)]
struct Unit<'a> {
    event: &'static str,
    text: &'a str,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let text = if args.socket {
        socket()
    } else {
        service(&args.program).map_err(CommandError::usage)?
    };
    context.terminal.say(text.trim_end());
    context.terminal.json(&Unit {
        event: "unit",
        text: &text,
    });
    Ok(Exit::Done)
}
