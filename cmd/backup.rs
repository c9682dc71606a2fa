//! `hpt backup`: a copy of the keystore.

use std::path::PathBuf;

use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The copy; it must not be there yet
    file: PathBuf,
}

/// A keystore that was copied or put back.
#[derive(Serialize)]
pub(crate) struct Copied {
    pub(crate) event: &'static str,
    pub(crate) keystore: String,
    pub(crate) backup: String,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let keystore = context.keystore()?;
    hpt_keystore::backup(&keystore, &args.file)?;
    let (from, to) = (
        keystore.display().to_string(),
        args.file.display().to_string(),
    );
    context
        .terminal
        .note(format_args!("{from} is copied to {to}, and read back"));
    context.terminal.json(&Copied {
        event: "copied",
        keystore: from,
        backup: to,
    });
    Ok(Exit::Done)
}
