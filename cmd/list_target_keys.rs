//! `hpt list-target-keys`: the targets that are pinned here.

use hpt_keystore::client;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::keys::{Keys, targets};

#[derive(clap::Args)]
pub(crate) struct Args {}

/// The end of the list; of an empty one, all that there is.
#[derive(Serialize)]
struct Listed {
    event: &'static str,
    count: usize,
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    let keys = client::load(&path)?;
    if keys.targets.is_empty() {
        context.terminal.note(format_args!(
            "no targets yet in {}; `hpt gen-target-keys --target NAME` makes one",
            path.display()
        ));
    } else {
        context.terminal.say(targets(&keys.targets));
    }
    for target in &keys.targets {
        context.terminal.json(&Keys::target("target", target));
    }
    context.terminal.json(&Listed {
        event: "targets",
        count: keys.targets.len(),
    });
    Ok(Exit::Done)
}
