//! `hpt cancel`: a run stops before its next block.

use serde::Serialize;

use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::remote::Remote;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
What the run has changed stays.
The block that it is at comes to its end first; `hpt attach` shows it.

Example:
  hpt --target web1 cancel")]
pub(crate) struct Args {
    /// The run; the one that goes on if it is not given
    run: Option<String>,
}

#[derive(Serialize)]
struct Cancelled<'a> {
    event: &'static str,
    target: &'a str,
    run: &'a str,
    by: &'a str,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("cancel the run on which target?")
            .hint("`hpt --target NAME cancel`"));
    };
    let run = args.run.as_deref().unwrap_or_default();
    let running = runtime()?.block_on(Remote::with(&name, context, async |remote, _| {
        remote.cancel(run).await
    }))?;
    let (run, by) = (visible(&running.run), visible(&running.by));
    context.terminal.say(format_args!(
        "{name}: run {run} of {by} stops before its next block"
    ));
    context.terminal.json(&Cancelled {
        event: "cancelled",
        target: name.as_str(),
        run: &running.run,
        by: &running.by,
    });
    Ok(Exit::Done)
}
