//! `hpt undo`: puts back what a run replaced.

use std::time::{Duration, Instant};

use hpt_proto::wire::Undoing;
use hpt_proto::{End, Running};
use hpt_provisioner::report::{Finished, Outcome, Report};
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::follower::{Ended, Follower, no_report};
use crate::print::style::{BOLD, DIM};
use crate::print::{plural, span};
use crate::provision::{busy, finish};
use crate::site::Site;
use crate::terminal::{Terminal, visible};
use crate::wait::{self, Patience};

#[derive(clap::Args)]
#[command(after_help = "\
Files get back what they held, what was made is removed, units run as they did.
The newest change is put back first. An undo is a run and can be undone.

What cannot be put back is shown before anything is done, such as:
  what a command did that has no `undo`
  the version of a package that was there before
  the data of an account that was removed
Exits with 1 if more than that stays.

Over the channel an undo that may cut the way to the host is confirmed by a new
session, or undone by the host itself.

Examples:
  hpt --target web1 undo                          the last run that changed something
  hpt --target web1 undo 20261121-171501-3f7a     this one
  sudo hpt undo                                   on this host, when no client gets in")]
pub(crate) struct Args {
    /// The run; the last one that has changed something if it is not given
    run: Option<String>,

    /// Show what would be put back, and do nothing
    #[arg(long)]
    plan: bool,

    /// Wait this long for a host that another run holds: 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = wait::time)]
    wait: Option<Duration>,

    /// Undo without asking
    #[arg(short, long)]
    yes: bool,
}

#[derive(Serialize)]
struct Plan<'a> {
    event: &'static str,
    target: &'a str,
    run: &'a str,
    by: &'a str,
    since: u64,
    blocks: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Block<'a> {
    id: &'a str,
    reverts: bool,
    runs: bool,
    what: &'a [String],
    stays: &'a [String],
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let work = if args.plan {
        Work::Reads
    } else {
        Work::changes_if_agreed("Undo it on", args.yes)
    };
    each(context, &[], work, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let asked = args.run.as_deref().unwrap_or_default();
    let done = Site::with(context, async |site, context| {
        let mut patience = Patience::new(args.wait);
        let mut asked = asked.to_owned();
        loop {
            let plan = site.plan_undo(&asked).await?;
            let running: Running = plan.run.clone().unwrap_or_default().into();
            let name = site.name().to_owned();
            show(&name, &running, &plan.blocks, &mut context.terminal);
            if args.plan || plan.blocks.iter().all(|block| block.gone) {
                return Ok(Exit::Done);
            }
            let asks = !args.yes && Terminal::can_ask();
            if asks && !context.agrees(format_args!("Undo it on {name}?")).await {
                context.terminal.note("nothing was changed");
                return Ok(Exit::Done);
            }
            if let Some(member) = &context.member {
                member.begin();
            }
            context.terminal.say("");
            let began = Instant::now();
            let verbose = context.is_verbose();
            let mut follower = Follower::of_run(&name, false, verbose, &mut context.terminal);
            let mut window = Duration::ZERO;
            let end = site
                .undo(&running.run, &mut |heard| {
                    window = heard.window().unwrap_or(window);
                    follower.hear(&heard);
                })
                .await?;
            if let End::Busy(holder) = &end
                && patience.wait(site, holder, follower.terminal).await?
            {
                // What has held the host may have left something else to put back.
                asked = running.run;
                continue;
            }
            return match Ended::of(end, began.elapsed()) {
                Ok(ended) => {
                    let is_kept = is_kept(&plan.blocks, &ended.report);
                    let remote = match site {
                        Site::Remote(remote) if !window.is_zero() => Some(&mut **remote),
                        _ => None,
                    };
                    finish(remote, ended, window, &mut follower).await?;
                    Ok(if is_kept { Exit::Done } else { Exit::Failed })
                }
                Err(end) => Err(match *end {
                    End::Busy(running) => busy(&name, &running),
                    _ => no_report(&name),
                }),
            };
        }
    });
    done.await
}

/// Whether all was put back that was promised.
fn is_kept(promised: &[Undoing], report: &Report) -> bool {
    let is_back = |end: &Finished| matches!(end.outcome, Outcome::Reverted | Outcome::Ok);
    let mut blocks = promised.iter().zip(&report.blocks);
    let is_failed = report.count(Outcome::Failed) > 0;
    !is_failed && blocks.all(|(block, end)| is_back(end) || !block.stays.is_empty())
}

fn show(name: &str, running: &Running, blocks: &[Undoing], terminal: &mut Terminal) {
    let Running { run, by, since } = running;
    terminal.json(&Plan {
        event: "undo",
        target: name,
        run,
        by,
        since: *since,
        blocks: blocks.iter().map(block).collect(),
    });
    let ago = span(now().saturating_sub(*since));
    let (run, by) = (visible(run), visible(by));
    terminal.say(format_args!(
        "{BOLD}{}{BOLD:#}  run {run} of {by}, {ago} ago\n",
        visible(name)
    ));
    for block in blocks {
        let id = visible(&block.id);
        match (&block.stays[..], block.gone) {
            ([], true) => terminal.say(format_args!("{DIM}= {id}  nothing is left of it{DIM:#}")),
            ([], false) if block.runs => {
                terminal.say(format_args!("! {id}  its `undo` runs"));
            }
            ([], false) => terminal.say(format_args!("~ {id}")),
            (stays, _) => {
                let sign = if block.what.is_empty() { "x" } else { "~" };
                terminal.say(format_args!("{sign} {id}"));
                for why in stays {
                    terminal.say(format_args!("      stays: {}", visible(why)));
                }
            }
        }
        // Of a script it is said above.
        for what in block.what.iter().filter(|_| !block.runs) {
            terminal.say(format_args!("      {DIM}{}{DIM:#}", visible(what)));
        }
    }
    let stay = blocks
        .iter()
        .filter(|block| !block.stays.is_empty())
        .count();
    let back = blocks
        .iter()
        .filter(|block| block.stays.is_empty() && !block.gone)
        .count();
    terminal.say(format_args!(
        "\n{} to put back, {stay} not or not wholly",
        plural(back, "block")
    ));
}

fn block(undoing: &Undoing) -> Block<'_> {
    Block {
        id: &undoing.id,
        reverts: undoing.stays.is_empty() && !undoing.gone,
        runs: undoing.runs,
        what: &undoing.what,
        stays: &undoing.stays,
    }
}
