//! `hpt fmt`: configs in their one form.

use hpt_provisioner::config;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::rewrite;

pub(crate) use crate::rewrite::Args;

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let format = |file: &config::File| {
        let formatted = config::format(&file.text);
        formatted.map_err(|faults| CommandError::faults(vec![file.clone()], faults))
    };
    rewrite::run(args, "formatted", false, format, context)
}
