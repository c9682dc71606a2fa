//! `hpt plan`: what a config would change.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_provisioner::config::Given;
use hpt_provisioner::plan::{Plan, Verdict};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::given;
use crate::plan_file::PlanFile;
use crate::print::plan::{Heading, Words, plan as plan_words};
use crate::print::style::BOLD;
use crate::print::{interrupted, json, listed_up_to};
use crate::site::{Job, Site};
use crate::terminal::{Terminal, visible};

#[derive(clap::Args)]
#[command(after_help = "\
Marks:
  +  is made        ~  is changed     -  is removed    !  runs
  ?  is known when applied            x  cannot work   =  is in place
  o  left the config: an orphan, which goes with --prune

Examples:
  hpt --target web1 plan site.toml
  sudo hpt plan --detailed-exitcode site.toml    2 if changes are pending
  hpt -t web1 plan -O web1.plan site.toml        and later, just this plan:
  hpt provision --plan web1.plan")]
pub(crate) struct Args {
    /// Config files, executed one after another
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    given: given::Options,

    /// Plan to remove what left the config, if hpt made it
    #[arg(long, conflicts_with = "tags")]
    prune: bool,

    /// Check this ID as `hpt provision --rerun` takes it
    #[arg(long, value_name = "ID")]
    rerun: Vec<String>,

    /// Show what is in place, and every line of every diff
    #[arg(short, long)]
    all: bool,

    /// Keep the plan in a file, for `hpt provision --plan FILE`
    #[arg(short = 'O', long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit with 2 if changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if args.output.is_some() && context.global.on.is_some() {
        return Err(CommandError::usage("a plan in a file is one target's")
            .hint("name it by `--target`, not by `--on`"));
    }
    each(context, &args.files, Work::Reads, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let given = Given {
        prune: args.prune,
        ..args.given.read()?
    };
    let config = context.read_config(&args.files, given.clone())?;
    let job = Job::new(config, context)?;
    let planned = Site::with(context, async |site, context| {
        let plan = ask(site, &job, context).await?;
        check_reruns(&args.rerun, site, &plan)?;
        let window = site.window();
        show(site, &job, &plan, args.all, window, began, context).await;
        Ok::<_, CommandError>(plan)
    });
    let plan = planned.await?;
    if let Some(path) = &args.output {
        let file = PlanFile::new(&context.global, &args.files, &given, &job.files, &plan);
        file.write(path)?;
        let words = format!("kept as {}", path.display());
        context.terminal.note(words);
    }
    Ok(if plan.count(Verdict::Blocked) > 0 {
        Exit::Failed
    } else if args.detailed_exitcode && !plan.is_empty() {
        Exit::Pending
    } else {
        Exit::Done
    })
}

/// Asks a host for its plan. What planning reads travels with the question, so that one is enough.
pub(crate) async fn ask(
    site: &mut Site,
    job: &Job,
    context: &mut Context,
) -> Result<Plan, CommandError> {
    context
        .terminal
        .passing(format_args!("planning {}", site.name()));
    let plan = site.plan(job).await?;
    site.heed(&mut context.terminal).await;
    if let Some(broken) = site.interrupted() {
        context.terminal.note(interrupted::words(&broken));
        if let Some(broken) = json::BrokeOff::new(site.name(), &broken) {
            context.terminal.json(&broken);
        }
    }
    plan.map_err(|faults| job.refused(faults))
}

/// As many ids are named that may have been meant.
const NAMED: usize = 5;

/// Refuses ids of blocks that there are not: what was meant would not run again.
pub(crate) fn check_reruns(rerun: &[String], site: &Site, plan: &Plan) -> Result<(), CommandError> {
    let ids: Vec<&str> = plan.blocks.iter().map(|block| block.id.as_str()).collect();
    let Some(unknown) = rerun.iter().find(|id| !ids.contains(&id.as_str())) else {
        return Ok(());
    };
    let unknown = visible(unknown);
    let error = CommandError::usage(format!("--rerun {unknown}: the config has no such block"));
    let broken = site.interrupted().unwrap_or_default();
    let in_doubt = broken.commands.iter().map(String::as_str);
    let in_doubt: Vec<&str> = in_doubt.filter(|id| ids.contains(id)).collect();
    Err(if in_doubt.is_empty() {
        error.hint(format!("it has: {}", listed_up_to(NAMED, &ids)))
    } else {
        error.hint(format!("in doubt: {}", listed_up_to(NAMED, &in_doubt)))
    })
}

/// Shows a plan, and in what time the run must be confirmed that brings it about. The system of a host
/// is asked for only where it is shown.
pub(crate) async fn show(
    site: &mut Site,
    job: &Job,
    plan: &Plan,
    all: bool,
    window: Duration,
    began: Instant,
    context: &mut Context,
) {
    let time = began.elapsed();
    let warnings = json::Fault::all(&job.files, &job.warnings);
    let seconds = window.as_secs();
    let must_confirm = seconds > 0 && !plan.is_empty();
    let mut object = json::Plan::new(site.name(), plan, warnings, time);
    object.confirm = must_confirm.then_some(seconds);
    context.terminal.json(&object);
    if context.terminal.is_json() {
        return;
    }
    let about = if plan.is_empty() && !all {
        Vec::new()
    } else {
        site.about().await
    };
    let heading = Heading {
        name: site.name(),
        about: &about,
    };
    tell(
        &heading,
        plan_words(&heading, plan, all),
        time,
        &mut context.terminal,
    );
    if must_confirm {
        context.terminal.say(format_args!(
            "must be confirmed within {seconds} s by a new session, else it is undone"
        ));
    }
}

/// Shows the words of a plan. Of many targets they are told together where they are the same, without
/// what is each one's own.
pub(crate) fn tell(heading: &Heading<'_>, words: Words, time: Duration, terminal: &mut Terminal) {
    let Words {
        heading: head,
        blocks,
        counts,
    } = words;
    let line = format!("{BOLD}{}{BOLD:#}  {counts}", heading.name);
    let blocks = blocks.trim_end();
    if terminal.is_held() || head.is_empty() {
        terminal.conclude(&line, time);
        if !blocks.is_empty() {
            terminal.say(blocks);
        }
    } else {
        terminal.say(format_args!("{head}\n\n{blocks}\n"));
        terminal.conclude(&counts, time);
    }
}
