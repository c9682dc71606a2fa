//! `hpt run`: one run, for `hpt serve`, which starts it and listens to it.

use hpt_agent::child::run_child;

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, _: &mut Context) -> Result<Exit, CommandError> {
    run_child(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
        .map_err(|error| CommandError::new(Exit::Failed, error))?;
    Ok(Exit::Done)
}
