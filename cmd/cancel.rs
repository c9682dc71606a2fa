//! `hpt cancel`: a run stops before its next block.

use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::listed;
use crate::remote::Remote;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
What the run has changed stays.
The block that it is at comes to its end first; `hpt attach` shows it.

A run that was not confirmed and cannot be undone holds its host, and its undo is tried again and again.
Cancelled by its name, it stays as far as it was undone.

Examples:
  hpt --target web1 cancel
  hpt --on 'web-*' cancel")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stays: Vec<String>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("cancel the run on which target?")
            .hint("`hpt --target NAME cancel`"));
    };
    let asked = args.run.as_deref().unwrap_or_default();
    let told = Remote::with(&name, context, async |remote, _| remote.cancel(asked).await);
    let (running, undone) = told.await?;
    let (run, by) = (visible(&running.run), visible(&running.by));
    context.terminal.say(match &undone {
        None => format!("{name}: run {run} of {by} stops before its next block"),
        Some(undone) => {
            let stays = listed(undone.stays.iter().map(|id| visible(id)));
            let by = visible(&undone.by);
            format!("{name}: run {run} stays as run {by} has left it; not put back: {stays}")
        }
    });
    context.terminal.json(&Cancelled {
        event: "cancelled",
        target: name.as_str(),
        run: &running.run,
        by: &running.by,
        undone_by: undone.as_ref().map(|undone| undone.by.as_str()),
        stays: undone
            .as_ref()
            .map(|undone| undone.stays.clone())
            .unwrap_or_default(),
    });
    Ok(Exit::Done)
}
