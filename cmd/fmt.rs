//! `hpt fmt`: configs in their one form.

use hpt_provisioner::config;
use hpt_provisioner::fault::{Fault, Place};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::rewrite;

pub(crate) use crate::rewrite::Args;

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let format = |file: &config::File| {
        config::format(&file.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let place = Place { file: 0, span };
            let fault = Fault::error(error.message(), place);
            CommandError::faults(vec![file.clone()], vec![fault])
        })
    };
    rewrite::run(args, "formatted", false, format, context)
}
