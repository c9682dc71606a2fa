//! `hpt doctor`: what is not as it should be, here or at targets, and what mends it.

mod finding;
mod here;
mod host;
mod target;
mod unit;
mod workstation;

use std::time::Instant;

use self::finding::Findings;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};

#[derive(clap::Args)]
#[command(after_help = "\
On a workstation it looks at your keys and the inventory; on a host, as root, at
its keystore, its unit, its state and its last runs. With --target or --on it
asks targets, and changes nothing there. It exits with 1 if something fails;
warnings are fine.

Examples:
  hpt doctor
  hpt --on '*' doctor
  sudo hpt doctor                     on a host")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let mut found = Findings::default();
    if context.global.target.is_none() && context.global.on.is_none() {
        here::look(context, &mut found);
        return Ok(found.tell("this machine", context, began.elapsed()));
    }
    match each(context, &[], Work::Reads, target::of_one) {
        // Before any target could be asked.
        Err(error) if error.exit != Exit::Usage => {
            found.failed("targets", error);
            Ok(found.tell("this machine", context, began.elapsed()))
        }
        exit => exit,
    }
}
