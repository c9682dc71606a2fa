//! `hpt provision`, and `hpt FILE`: plan, ask, apply, report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_proto::wire::ConfirmReply;
use hpt_proto::{End, Running};
use hpt_provisioner::config::Given;
use hpt_provisioner::plan::{Digest, Moved, Plan};

use crate::context::{Context, now, runtime};
use crate::error::{CommandError, Exit};
use crate::follower::Follower;
use crate::given;
use crate::plan::{ask, show};
use crate::plan_file::PlanFile;
use crate::print::{json, listed, span};
use crate::remote::Remote;
use crate::site::{How, Job, Site};
use crate::terminal::{Terminal, visible};
use crate::wait::{self, Patience};

#[derive(clap::Args)]
#[command(after_help = "\
On a terminal the plan is shown first, and a question asked. Without one the
config is applied at once.

Examples:
  hpt --target web1 provision site.toml
  hpt --target=web1 --ip=10.0.0.5 site.toml    the same, short, at this address
  sudo hpt site.toml                           on this host
  hpt --root ./image site.toml                 in a root directory
  hpt provision --plan web1.plan               what was planned, or nothing
  hpt --target web1 provision --confirm 60s firewall.toml
                                               undone if it locks you out")]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    /// Config files, executed one after another
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    given: given::Options,

    /// Apply this plan of `hpt plan -O FILE`, or nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "vars", "var_file", "tags", "prune"])]
    plan: Option<PathBuf>,

    /// Remove what left the config, if hpt made it
    #[arg(long, conflicts_with = "tags")]
    prune: bool,

    /// Apply without asking
    #[arg(short, long)]
    yes: bool,

    /// Run this block's command though it is in doubt whether an interrupted run has run it
    #[arg(long, value_name = "ID")]
    rerun: Vec<String>,

    /// Have the host undo the run unless a new session comes this soon after it: 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = wait::time)]
    confirm: Option<Duration>,

    /// Wait this long for a host that another run holds: 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = wait::time)]
    wait: Option<Duration>,

    /// Have it stay, whatever the config says about confirming it
    #[arg(long, conflicts_with = "confirm")]
    no_confirm: bool,

    /// Show what is in place, and every line of every diff
    #[arg(short, long)]
    all: bool,
}

impl Args {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.plan.is_none()
            && self.given.is_empty()
            && !self.yes
            && !self.prune
            && self.rerun.is_empty()
            && self.confirm.is_none()
            && !self.no_confirm
            && self.wait.is_none()
            && !self.all
    }
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let agreed = args.plan.as_deref().map(PlanFile::read).transpose()?;
    let (files, given) = if let Some(agreed) = &agreed {
        agreed.place(&mut context.global)?;
        (agreed.files.clone(), agreed.given())
    } else {
        let given = Given {
            prune: args.prune,
            ..args.given.read()?
        };
        (args.files.clone(), given)
    };
    if files.is_empty() {
        return Err(CommandError::usage("there is no config to provision")
            .hint("`hpt provision FILE...`, for example site.toml"));
    }
    if args.confirm.is_some() && context.global.target.is_none() {
        return Err(
            CommandError::usage("there is no session to lose on this host itself")
                .hint("`--confirm` goes with `--target`"),
        );
    }
    let mut how = How {
        bound: None,
        rerun: args.rerun.clone(),
        wait: args.wait,
        confirm: if args.no_confirm {
            Some(Duration::ZERO)
        } else {
            args.confirm
        },
    };
    let began = Instant::now();
    let config = context.read_config(&files, given)?;
    if let Some(agreed) = &agreed {
        agreed.same_texts(&config.files)?;
    }
    let job = Job::new(config, context)?;
    runtime()?.block_on(Site::with(context, async |site, context| {
        let plan = ask(site, &job, context).await?;
        if let Some(agreed) = agreed.as_ref().filter(|agreed| agreed.has_moved(&plan)) {
            // The host says why: it was applied before, or the host has changed.
            how.bound = Some(agreed.bound());
            let began = Instant::now();
            return apply(site, &job, &plan, &how, args.all, began, context).await;
        }
        let asks = !args.yes && agreed.is_none() && Terminal::can_ask();
        // Nobody agrees to what was not shown.
        let is_hushed = context.global.quiet && !asks && !plan.is_empty();
        if !is_hushed || context.terminal.is_json() {
            show(site, &job, &plan, args.all, began, context).await;
        }
        // What broke off is only over when a run has found all of it in place.
        if plan.is_empty() && site.interrupted().is_none() {
            if site.is_unkept() {
                how.bound = Some(plan.bound());
                // It is told for `hpt drift`; where it cannot be, nothing else is amiss.
                let told = site.apply(&job, &how, plan.blocks.len(), &mut |_| {}).await;
                if let Err(error) = told {
                    tracing::debug!("{} keeps nothing of it: {}", site.name(), error.exit.code());
                }
            }
            let report = plan.report();
            context.terminal.json(&json::Report::new(
                site.name(),
                "",
                &report,
                began.elapsed(),
            ));
            return Ok(Exit::Done);
        }
        if asks
            && !plan.is_empty()
            && !context
                .terminal
                .ask(format_args!("\nApply to {}?", site.name()))
        {
            context.terminal.note("nothing was changed");
            context.terminal.json(&json::Declined::new(site.name()));
            return Ok(Exit::Done);
        }
        how.bound = (asks || agreed.is_some()).then(|| plan.bound());
        let began = Instant::now();
        if !plan.missing.is_empty() {
            site.send(&plan.missing, &job, &mut context.terminal)
                .await?;
        }
        if !context.global.quiet {
            context.terminal.say("");
        }
        apply(site, &job, &plan, &how, args.all, began, context).await
    }))
}

async fn apply(
    site: &mut Site,
    job: &Job,
    plan: &Plan,
    how: &How,
    all: bool,
    began: Instant,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let name = site.name().to_owned();
    let verbose = context.is_verbose();
    let mut patience = Patience::new(how.wait.or(job.lock_wait));
    let mut follower = Follower::of_plan(&name, plan, all, verbose, &mut context.terminal);
    let mut window = Duration::ZERO;
    let mut sent = false;
    let end = loop {
        let end = site
            .apply(job, how, plan.blocks.len(), &mut |heard| {
                window = heard.window().unwrap_or(window);
                follower.hear(&heard);
            })
            .await?;
        match &end {
            // The host has moved since the plan, or has dropped an old blob.
            End::Missing(missing) if !sent => {
                site.send(missing, job, follower.terminal).await?;
                sent = true;
            }
            End::Busy(holder) if patience.wait(site, holder, follower.terminal).await? => {}
            _ => break end,
        }
    };
    match end {
        End::Report { run, report } => {
            follower.finish(&run, &report, began.elapsed());
            // Where there is no channel nobody waits for it.
            if let Site::Remote(remote) = site
                && !window.is_zero()
            {
                confirm(remote, &run, window, &mut context.terminal).await?;
            }
            Ok(Exit::of(&report))
        }
        End::InDoubt { run, blocks } => Err(in_doubt(&name, &run, &blocks)),
        End::Faults(faults) => Err(job.refused(faults)),
        End::Busy(running) => Err(busy(&name, &running)),
        End::Moved(moved) => Err(changed(&name, &moved)),
        End::Used { planned, run } => Err(used(&name, planned, &run)),
        End::Missing(_) => Err(CommandError::new(
            Exit::Failed,
            format!("{name} loses what is sent to it; is its disk full?"),
        )),
    }
}

/// Says over a new session that the host can still be reached after a run.
pub(crate) async fn confirm(
    remote: &mut Remote,
    run: &str,
    window: Duration,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let reverted = remote.confirm(run, window).await?;
    let name = remote.name();
    let Some(ConfirmReply { reverted_by, stays }) = reverted else {
        terminal.note("confirmed by a new session");
        terminal.json(&json::Confirmed::new(name, run));
        return Ok(());
    };
    let (run, by) = (visible(run), visible(&reverted_by));
    let seconds = window.as_secs();
    let mut what = format!(
        "{name}: no new session confirmed run {run} within {seconds} s, and run {by} has undone it"
    );
    if !stays.is_empty() {
        what += &format!(", but for what cannot be put back: {}", some_of(&stays));
    }
    let hint = format!("`hpt --target {name} attach {by}` shows what was put back");
    Err(CommandError::new(Exit::Reverted, what).hint(hint))
}

/// As many blocks as are named.
const NAMED: usize = 5;

/// The first of these ids of blocks, and how many more there are.
fn some_of(blocks: &[String]) -> String {
    let ids = blocks.iter().take(NAMED).map(|id| visible(id));
    let words = ids.collect::<Vec<_>>().join(", ");
    match blocks.len().saturating_sub(NAMED) {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}

fn changed(name: &str, moved: &Moved) -> CommandError {
    let Moved {
        planned,
        now,
        blocks,
    } = moved;
    let what = format!("{name} has changed since plan {planned} was made; it is plan {now} by now");
    let mut error = CommandError::new(Exit::Failed, what);
    if !blocks.is_empty() {
        error = error.hint(format!("what differs: {}", some_of(blocks)));
    }
    error.hint("nothing was done; `hpt plan` shows the new one")
}

fn used(name: &str, planned: Digest, run: &Running) -> CommandError {
    let (id, by) = (visible(&run.run), visible(&run.by));
    let what =
        format!("{name}: plan {planned} was applied by run {id} of {by}, and is applied once");
    CommandError::new(Exit::Failed, what)
        .hint("nothing was done; `hpt plan` shows what is left to do")
}

fn in_doubt(name: &str, run: &Running, blocks: &[String]) -> CommandError {
    let (run, by) = (visible(&run.run), visible(&run.by));
    let what = format!(
        "{name}: run {run} of {by} broke off, and nobody knows whether these commands have run: {}",
        listed(blocks.iter().map(|id| visible(id)))
    );
    let ids = blocks.iter().map(|id| format!(" --rerun {}", visible(id)));
    CommandError::new(Exit::InDoubt, what)
        .hint("nothing was done now; look at the host, then say that they may run (again):")
        .hint(format!("`hpt provision{}`", ids.collect::<String>()))
}

pub(crate) fn busy(name: &str, running: &Running) -> CommandError {
    let by = visible(&running.by);
    let since = span(now().saturating_sub(running.since));
    let what = format!(
        "{name} is busy: run {} of {by} has held it for {since}",
        visible(&running.run)
    );
    CommandError::new(Exit::Busy, what)
        .hint("nothing was done; `--wait 5m` waits until it has ended")
}
