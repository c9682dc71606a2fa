//! `hpt plan`: what a config would change.

use std::path::PathBuf;
use std::time::Instant;

use hpt_provisioner::config::Given;
use hpt_provisioner::plan::{Plan, Verdict};

use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::given;
use crate::plan_file::PlanFile;
use crate::print::plan::{Heading, plan as plan_words};
use crate::print::{interrupted, json};
use crate::site::{Job, Site};

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
    let began = Instant::now();
    let given = Given {
        prune: args.prune,
        ..args.given.read()?
    };
    let config = context.read_config(&args.files, given.clone())?;
    let job = Job::new(config, context)?;
    let plan = runtime()?.block_on(Site::with(context, async |site, context| {
        let plan = ask(site, &job, context).await?;
        show(site, &job, &plan, args.all, began, context).await;
        Ok::<_, CommandError>(plan)
    }))?;
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
        context.terminal.note(interrupted::line(&broken));
        if let Some(broken) = json::BrokeOff::new(site.name(), &broken) {
            context.terminal.json(&broken);
        }
    }
    plan.map_err(|faults| job.refused(faults))
}

/// Shows a plan. The system of a host is asked for only where it is shown.
pub(crate) async fn show(
    site: &mut Site,
    job: &Job,
    plan: &Plan,
    all: bool,
    began: Instant,
    context: &mut Context,
) {
    let time = began.elapsed();
    let warnings = json::Fault::all(&job.files, &job.warnings);
    context
        .terminal
        .json(&json::Plan::new(site.name(), plan, warnings, time));
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
    context.terminal.say(plan_words(&heading, plan, all, time));
}
