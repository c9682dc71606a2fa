//! `hpt passphrase`: set, changed or taken off.

use hpt_keystore::{Own, Role, client, set_passphrase};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the passphrase off
    #[arg(long)]
    remove: bool,
}

#[derive(Serialize)]
struct Changed {
    event: &'static str,
    keystore: String,
    sealed: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if context.global.passphrase_fd.is_some() {
        return Err(
            CommandError::usage("a passphrase is changed on a terminal").hint(
                "`hpt gen-client-keys --passphrase-fd FD` makes keys that have one from the start",
            ),
        );
    }
    let path = context.keystore()?;
    let current = match client::load(&path)?.own {
        Own::Open(_) => None,
        Own::Sealed(_) => Some(context.passphrase("Present passphrase")?),
    };
    let new = (!args.remove)
        .then(|| context.new_passphrase())
        .transpose()?;
    set_passphrase(&path, Role::Client, current.as_ref(), new.as_ref())?;
    let state = if args.remove { "open" } else { "sealed" };
    context.terminal.note(format_args!(
        "the keys in {} are {state} now",
        path.display()
    ));
    context.terminal.json(&Changed {
        event: "passphrase",
        keystore: path.display().to_string(),
        sealed: !args.remove,
    });
    Ok(Exit::Done)
}
