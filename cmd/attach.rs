//! `hpt attach`: what a run tells, also when another session began it.

use std::time::{Duration, Instant};

use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::follower::{Ended, Follower, no_report};
use crate::provision::{finish, is_undone};
use crate::remote::Remote;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
The exit code is the run's, or 8 if it was undone since.
^C ends this command and not the run: `hpt cancel` does that.
A run that waits to be confirmed is confirmed, as whoever began it would.

Examples:
  hpt --target web1 attach                          the run that goes on, or the last one
  hpt --target web1 attach 20261121-171501-3f7a     this one")]
pub(crate) struct Args {
    /// The run; the one that goes on or else the last one if it is not given
    run: Option<String>,

    /// Show what was in place, too
    #[arg(short, long)]
    all: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("attach to a run on which target?")
            .hint("`hpt --target NAME attach`"));
    };
    let began = Instant::now();
    let run = args.run.as_deref().unwrap_or_default();
    runtime()?.block_on(Remote::with(&name, context, async |remote, context| {
        remote.heed(&mut context.terminal).await;
        let verbose = context.is_verbose();
        let mut follower =
            Follower::of_run(name.as_str(), args.all, verbose, &mut context.terminal);
        let end = remote
            .attach(run, &mut |heard| follower.hear(&heard))
            .await?;
        // A run that is over took the time that it says, and not that of telling it again.
        let time = follower.age().unwrap_or(began.elapsed());
        let Ok(ended) = Ended::of(end, time) else {
            return Err(no_report(name.as_str()));
        };
        if let Some(undone) = &ended.undone {
            follower.finish(&ended);
            follower.tell_end(&ended);
            let (run, by) = (visible(&ended.run), visible(&undone.by));
            let what = format!("run {run} was undone by run {by}, as no new session confirmed it");
            return Err(is_undone(name.as_str(), &what, undone));
        }
        let waiting = remote.status().await.ok();
        let waiting = waiting.and_then(|status| status.confirming);
        let waiting = waiting.filter(|of| of.run.as_ref().is_some_and(|it| it.run == ended.run));
        // As whoever began it would; of one that is being undone it tells which run did it.
        let left = waiting.map(|waiting| Duration::from_secs(waiting.left.into()));
        let remote = left.is_some().then_some(remote);
        finish(remote, ended, left.unwrap_or_default(), &mut follower).await
    }))
}
