//! `hpt drift`: what has moved on a host since its configs were applied last.

use std::time::Instant;

use hpt_agent::drift::Drift;
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::plan::tell;
use crate::print::json::Block;
use crate::print::plan::{Heading, plan as plan_words};
use crate::print::span;
use crate::print::style::BOLD;
use crate::site::Site;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
A host keeps, sealed, what the last apply of each config has asked for.
The host as it is now is held against that, and nothing is changed.
What acts in each run, such as a command that nothing guards, is no drift.

For monitors, the exit code:
  0  nothing has moved
  2  something has
  1  it cannot be told

Examples:
  hpt --target web1 drift            all configs of web1
  hpt --target web1 drift site       the one with this `name`, or of site.toml
  sudo hpt drift                     on this host")]
pub(crate) struct Args {
    /// The config's `name`, or its file without `.toml` [default: all]
    config: Option<String>,

    /// Show what is in place, and every line of every diff
    #[arg(short, long)]
    all: bool,
}

#[derive(Serialize)]
struct Moved<'a> {
    event: &'static str,
    target: &'a str,
    config: &'a str,
    run: &'a str,
    by: &'a str,
    since: u64,
    /// Not there if it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    drifted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Block<'a>>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let asked = args.config.as_deref().unwrap_or_default();
    let found = Site::with(context, async |site, _| {
        let drifts = site.drift(asked).await?;
        Ok::<_, CommandError>((site.name().to_owned(), drifts))
    });
    let (name, drifts) = found.await?;
    if drifts.is_empty() {
        let what = match asked {
            "" => format!("{name}: no config has been applied that it could have moved from"),
            asked => format!(
                "{name}: no config named {} has been applied",
                visible(asked)
            ),
        };
        return Err(CommandError::new(Exit::Failed, what)
            .hint("`hpt provision` keeps what it has applied, unless it was given `--tags`"));
    }
    for drift in &drifts {
        show(&name, drift, args.all, began, context);
    }
    let moved = |drift: &Drift| drift.found.as_ref().is_ok_and(|plan| !plan.is_empty());
    Ok(if drifts.iter().any(moved) {
        Exit::Pending
    } else if drifts.iter().any(|drift| drift.found.is_err()) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn show(name: &str, drift: &Drift, all: bool, began: Instant, context: &mut Context) {
    let Drift {
        config,
        applied,
        found,
    } = drift;
    let plan = found.as_ref().ok();
    let pending = plan.into_iter().flat_map(|plan| &plan.blocks);
    let pending = pending.filter(|block| block.verdict.is_pending());
    context.terminal.json(&Moved {
        event: "drift",
        target: name,
        config,
        run: &applied.run,
        by: &applied.by,
        since: applied.since,
        drifted: plan.map(|plan| !plan.is_empty()),
        unknown: found.as_ref().err().map(String::as_str),
        blocks: pending.map(Block::new).collect(),
    });
    if context.terminal.is_json() {
        return;
    }
    let ago = span(now().saturating_sub(applied.since));
    let applied = format!("applied {ago} ago by {}", visible(&applied.by));
    let config = visible(config);
    let line = match found {
        Ok(plan) if plan.is_empty() && !all => {
            format!("{BOLD}{name}{BOLD:#}  {config} is as it was {applied}")
        }
        Ok(plan) => {
            let about = [config.into_owned(), applied];
            let about = Heading {
                name,
                about: &about,
            };
            let words = plan_words(&about, plan, all);
            return tell(&about, words, began.elapsed(), &mut context.terminal);
        }
        Err(why) => {
            let why = visible(why);
            format!("{BOLD}{name}{BOLD:#}  {config}, {applied}: it cannot be told: {why}")
        }
    };
    context.terminal.conclude(&line, began.elapsed());
}
