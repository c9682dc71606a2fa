//! `hpt fix`: old spellings in configs become those of today.

use hpt_provisioner::config;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::rewrite;

pub(crate) use crate::rewrite::Args;

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let fix = |file: &config::File| {
        config::fix(&file.text).map_err(|faults| CommandError::faults(vec![file.clone()], faults))
    };
    rewrite::run(args, "fixed", true, fix, context)
}
