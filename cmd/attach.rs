//! `hpt attach`: what a run tells, also when another session began it.

use std::time::{Duration, Instant};

use hpt_proto::End;

use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::follower::Follower;
use crate::provision::confirm;
use crate::remote::Remote;

#[derive(clap::Args)]
#[command(after_help = "\
The exit code is the run's. ^C ends this command and not the run: `hpt cancel` does that.
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
        let End::Report { run, report } = end else {
            let what = format!("{name} tells no report; is the hpt there of another version?");
            return Err(CommandError::new(Exit::Failed, what));
        };
        follower.finish(&run, &report, began.elapsed());
        let waiting = remote.status().await.ok();
        let waiting = waiting.and_then(|status| status.confirming);
        let waiting = waiting.filter(|of| of.run.as_ref().is_some_and(|it| it.run == run));
        if let Some(waiting) = waiting {
            // As whoever began it would; of one that is being undone it tells which run did it.
            let left = Duration::from_secs(waiting.left.into());
            confirm(remote, &run, left, &mut context.terminal).await?;
        }
        Ok(Exit::of(&report))
    }))
}
