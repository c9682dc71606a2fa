//! `hpt provision`, and `hpt FILE`: plan, ask, apply, report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_proto::{End, Running, Undone};
use hpt_provisioner::config::Given;
use hpt_provisioner::plan::{Digest, Moved, Plan};

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::follower::{Ended, Follower};
use crate::given;
use crate::plan::{ask, check_reruns, show};
use crate::plan_file::PlanFile;
use crate::print::interrupted::reruns;
use crate::print::{json, listed, listed_up_to, span, word};
use crate::remote::Remote;
use crate::site::{How, Job, Site};
use crate::terminal::{Terminal, visible};
use crate::wait::{self, Patience};

#[derive(clap::Args)]
#[command(after_help = "\
On a terminal the plan is shown first, and a question asked. Without one the
config is applied at once. ^C stops a run before its next block; once more
leaves it to itself.

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
    if args.plan.is_some() && context.global.on.is_some() {
        return Err(CommandError::usage("a plan in a file is one target's")
            .hint("leave out `--on`: the file says whose it is"));
    }
    let work = Work::changes_if_agreed("Apply to", args.yes);
    each(context, &args.files, work, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
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
    let provisioned = Site::with(context, async |site, context| {
        let plan = ask(site, &job, context).await?;
        check_reruns(&how.rerun, site, &plan)?;
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
            let window = how.confirm.unwrap_or_else(|| site.window());
            show(site, &job, &plan, args.all, window, began, context).await;
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
                .agrees(format_args!("Apply to {}?", site.name()))
                .await
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
    });
    provisioned.await
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
    if let Some(member) = &context.member {
        member.begin();
    }
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
    let end = match Ended::of(end, began.elapsed()) {
        Ok(ended) => {
            // Where there is no channel nobody waits for it.
            let remote = match site {
                Site::Remote(remote) if !window.is_zero() => Some(&mut **remote),
                _ => None,
            };
            return finish(remote, ended, window, &mut follower).await;
        }
        Err(end) => *end,
    };
    match end {
        End::InDoubt { run, blocks } => Err(in_doubt(&name, &run, &blocks)),
        End::Faults(faults) => Err(job.refused(faults)),
        End::Busy(running) => Err(busy(&name, &running)),
        End::Moved(moved) => Err(changed(&name, &moved)),
        End::Used { planned, run } => Err(used(&name, planned, &run)),
        End::Missing(_) | End::Report { .. } => Err(CommandError::new(
            Exit::Failed,
            format!("{name} loses what is sent to it; is its disk full?"),
        )),
    }
}

/// Says what a run has come to. If there is one to confirm it on, says over a new session before that
/// that the host can still be reached after it.
pub(crate) async fn finish(
    remote: Option<&mut Remote>,
    mut ended: Ended,
    window: Duration,
    follower: &mut Follower<'_>,
) -> Result<Exit, CommandError> {
    follower.finish(&ended);
    let Some(remote) = remote else {
        follower.tell_end(&ended);
        return Ok(Exit::of(&ended.report));
    };
    let confirmed = remote.confirm(&ended.run, window).await;
    if let Ok(undone) = &confirmed {
        ended.undone.clone_from(undone);
    }
    follower.tell_end(&ended);
    let (name, run) = (remote.name(), ended.run.as_str());
    if let Some(undone) = confirmed? {
        let seconds = window.as_secs();
        let what = format!(
            "no new session confirmed run {} within {seconds} s, and run {} has undone it",
            visible(run),
            visible(&undone.by)
        );
        return Err(is_undone(name, &what, &undone));
    }
    follower.terminal.note("confirmed by a new session");
    follower.terminal.json(&json::Confirmed::new(name, run));
    Ok(Exit::of(&ended.report))
}

/// That a run is no more, in words that end with the run that has undone it.
pub(crate) fn is_undone(name: &str, what: &str, undone: &Undone) -> CommandError {
    let mut what = format!("{name}: {what}");
    if !undone.stays.is_empty() {
        what += &format!(" but for: {}", listed_up_to(NAMED, &undone.stays));
    }
    let hint = format!(
        "`hpt --target {name} attach {}` shows what was put back",
        visible(&undone.by)
    );
    CommandError::new(Exit::Reverted, what).hint(hint)
}

/// As many blocks as are named.
const NAMED: usize = 5;

fn changed(name: &str, moved: &Moved) -> CommandError {
    let Moved {
        planned,
        now,
        blocks,
    } = moved;
    let what = format!(
        "{name}, or a secret or a source of the config, has changed since plan {planned} was made; \
         it is plan {now} by now"
    );
    let mut error = CommandError::new(Exit::Failed, what);
    if !blocks.is_empty() {
        let ids = listed_up_to(NAMED, blocks);
        error = error.hint(format!("what differs: {ids}"));
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
    CommandError::new(Exit::InDoubt, what)
        .hint("nothing was done now; look at the host, then say that they may run (again):")
        .hint(format!("`{}`", typed_with(&reruns(blocks))))
}

/// The command line of this process with more options, as a shell takes it.
fn typed_with(options: &str) -> String {
    let words = std::env::args().skip(1);
    let mut line = "hpt".to_owned();
    let mut options = Some(options);
    for typed in words {
        if typed == "--"
            && let Some(options) = options.take()
        {
            line += options;
        }
        line += &format!(" {}", word(&typed));
    }
    line + options.unwrap_or_default()
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
