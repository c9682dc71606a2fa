//! `hpt remove`: a target is forgotten.

use hpt_keystore::{TargetName, client};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::keys::Keys;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target to forget
    #[arg(value_name = "NAME", value_parser = TargetName::parse)]
    name: Option<TargetName>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target_or(args.name.as_ref())? else {
        return Err(CommandError::usage("which target is to be forgotten?")
            .hint("`hpt remove NAME`; `hpt list-target-keys` lists their names"));
    };
    let target = client::remove(&context.keystore()?, &name)?;
    context.terminal.note(format_args!(
        "{name} is forgotten here ({}); it would still obey your key: stop `hpt serve` there",
        target.identity.fingerprint()
    ));
    context.terminal.json(&Keys::target("removed", &target));
    Ok(Exit::Done)
}
