//! `hpt gen-client-keys`: this user's own keys.

use hpt_keystore::{Existing, Role, client};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::keys::{Keys, titled};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seal the keys with a passphrase, which is asked for
    #[arg(long)]
    passphrase: bool,

    /// Replace keys that are there; targets that know them are locked out
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    let wanted = args.passphrase || context.global.passphrase_fd.is_some();
    let words = wanted.then(|| context.new_passphrase()).transpose()?;
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let identity = client::create(&path, words.as_ref(), existing)?;
    let rows = vec![
        ("keystore", path.display().to_string()),
        ("fingerprint", identity.fingerprint()),
        ("key", identity.to_text(Role::Client)),
    ];
    context.terminal.say(titled("your keys are made", rows));
    context
        .terminal
        .json(&Keys::new("generated", Role::Client, &identity).at(&path, None));
    Ok(Exit::Done)
}
