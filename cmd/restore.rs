//! `hpt restore`: a backup in the keystore's place.

use std::path::PathBuf;

use hpt_keystore::Existing;

use crate::backup::Copied;
use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,

    /// Restore even if the keystore is newer or holds other keys
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let keystore = context.keystore()?;
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    hpt_keystore::restore(&args.file, &keystore, existing)?;
    let (to, from) = (
        keystore.display().to_string(),
        args.file.display().to_string(),
    );
    context
        .terminal
        .note(format_args!("{to} is again what {from} holds"));
    context.terminal.json(&Copied {
        event: "restored",
        keystore: to,
        backup: from,
    });
    Ok(Exit::Done)
}
