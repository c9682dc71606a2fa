//! `hpt guard`: undoes one run unless it is confirmed, for the process that performs the run.

use hpt_agent::guard::guard;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, _: &mut Context) -> Result<Exit, CommandError> {
    guard(
        &mut std::io::stdin().lock(),
        &mut std::io::stdout().lock(),
        now,
    )
    .map_err(|error| CommandError::new(Exit::Failed, error))?;
    Ok(Exit::Done)
}
