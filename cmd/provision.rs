//! `hpt provision`, and `hpt FILE`: plan, ask, apply, report.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpt_proto::End;
use hpt_provisioner::plan::{Digest, Plan, Verdict};
use hpt_provisioner::report::{Event, Finished, Outcome, Report};

use crate::context::{Context, now, runtime};
use crate::error::{CommandError, Exit};
use crate::plan::{ask, show};
use crate::print::report::{Lines, summary};
use crate::print::{json, span};
use crate::site::{Job, Site};
use crate::terminal::{Terminal, visible};

/// The last lines of a failed command that are shown.
const TAIL: usize = 20;
/// What of a command's output is kept for that, in bytes.
const KEPT: usize = 64 << 10;
/// Blocks that did not run are listed up to here, and counted beyond.
const NOT_RUN: usize = 5;

#[derive(clap::Args)]
#[command(after_help = "\
On a terminal the plan is shown first, and a question asked. Without one the
config is applied at once.

Examples:
  hpt --target web1 provision site.toml
  hpt --target=web1 --ip=10.0.0.5 site.toml    the same, short, at this address
  sudo hpt site.toml                           on this host
  hpt --root ./image site.toml                 in a root directory")]
pub(crate) struct Args {
    /// Config files, executed one after another
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Apply without asking
    #[arg(short, long)]
    yes: bool,

    /// Show what is in place, and every line of every diff
    #[arg(short, long)]
    all: bool,
}

impl Args {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.yes && !self.all
    }
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if args.files.is_empty() {
        return Err(CommandError::usage("which config is to be applied?")
            .hint("`hpt provision FILE...`, for example site.toml"));
    }
    let began = Instant::now();
    let config = context.read_config(&args.files)?;
    let job = Job::new(config, context)?;
    runtime()?.block_on(async {
        let mut site = Site::open(context).await?;
        let plan = ask(&mut site, &job, context).await?;
        show(&mut site, &plan, args.all, began, context).await;
        if plan.is_empty() {
            let report = in_place(&plan);
            context.terminal.json(&json::Report::new(
                site.name(),
                "",
                &report,
                began.elapsed(),
            ));
            return Ok(Exit::Done);
        }
        let asks = !args.yes && Terminal::can_ask();
        if asks
            && !context
                .terminal
                .ask(format_args!("\nApply to {}?", site.name()))
        {
            context.terminal.note("nothing was changed");
            return Ok(Exit::Done);
        }
        let began = Instant::now();
        if !plan.missing.is_empty() {
            site.send(&plan.missing, &job, &mut context.terminal)
                .await?;
        }
        apply(
            &mut site,
            &job,
            &plan,
            asks.then_some(plan.digest),
            args.all,
            began,
            context,
        )
        .await
    })
}

/// The report of a plan that leaves nothing to do; the host need not be asked again.
fn in_place(plan: &Plan) -> Report {
    let outcome = |verdict| {
        if verdict == Verdict::Skip {
            Outcome::Skipped
        } else {
            Outcome::Ok
        }
    };
    let finished = |(block, planned): (usize, &hpt_provisioner::plan::Planned)| Finished {
        block,
        outcome: outcome(planned.verdict),
        note: String::new(),
        exit: None,
    };
    Report {
        blocks: plan.blocks.iter().enumerate().map(finished).collect(),
    }
}

async fn apply(
    site: &mut Site,
    job: &Job,
    plan: &Plan,
    bound: Option<Digest>,
    all: bool,
    began: Instant,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let name = site.name().to_owned();
    let verbose = context.is_verbose();
    context.terminal.say("");
    let mut follower = Follower::new(&name, plan, all, verbose, &mut context.terminal);
    let mut end = site
        .apply(job, bound, plan.blocks.len(), &mut |event| {
            follower.hear(&event);
        })
        .await?;
    if let End::Missing(missing) = end {
        // The host has moved since the plan, or has dropped an old blob.
        site.send(&missing, job, follower.terminal).await?;
        end = site
            .apply(job, bound, plan.blocks.len(), &mut |event| {
                follower.hear(&event);
            })
            .await?;
    }
    match end {
        End::Report { run, report } => {
            follower.finish(&run, &report, began.elapsed());
            Ok(if report.succeeded() {
                Exit::Done
            } else {
                Exit::Failed
            })
        }
        End::Faults(faults) => Err(CommandError::faults(job.files.clone(), faults)),
        End::Busy(running) => Err(busy(&name, &running)),
        End::Moved { planned, now } => {
            let what = format!(
                "{name} has changed since plan {planned} was shown; it is plan {now} by now"
            );
            Err(CommandError::new(Exit::Failed, what)
                .hint("nothing was done; look at the new plan"))
        }
        End::Missing(_) => Err(CommandError::new(
            Exit::Failed,
            format!("{name} loses what is sent to it; is its disk full?"),
        )),
    }
}

fn busy(name: &str, running: &hpt_proto::Running) -> CommandError {
    let by = visible(&running.by);
    let since = span(now().saturating_sub(running.since));
    let what = format!(
        "{name} is busy: run {} of {by} has held it for {since}",
        visible(&running.run)
    );
    CommandError::new(Exit::Busy, what).hint("nothing was done; try again when it has ended")
}

/// Shows what a run tells, as it tells it.
struct Follower<'a> {
    plan: &'a Plan,
    all: bool,
    verbose: bool,
    lines: Lines<'a>,
    terminal: &'a mut Terminal,
    /// When blocks began, by this machine's clock, and whether they are one batch with others, whose
    /// time then says nothing about any of them.
    began: HashMap<usize, (Instant, bool)>,
    /// The last output of blocks that are not over yet.
    output: HashMap<usize, Vec<u8>>,
    not_run: usize,
}

impl<'a> Follower<'a> {
    fn new(
        name: &'a str,
        plan: &'a Plan,
        all: bool,
        verbose: bool,
        terminal: &'a mut Terminal,
    ) -> Self {
        let ids = plan
            .blocks
            .iter()
            .filter(|b| all || b.verdict.is_pending())
            .map(|b| b.id.as_str());
        let lines = Lines::new(name, ids);
        let (began, output) = (HashMap::new(), HashMap::new());
        Self {
            plan,
            all,
            verbose,
            lines,
            terminal,
            began,
            output,
            not_run: 0,
        }
    }

    fn hear(&mut self, event: &Event) {
        let (Event::Started { block }
        | Event::Output { block, .. }
        | Event::Note { block, .. }
        | Event::Finished(Finished { block, .. })) = event;
        let id = self.plan.blocks[*block].id.as_str();
        match event {
            Event::Started { block } => {
                let shared = !self.began.is_empty();
                self.began
                    .values_mut()
                    .for_each(|(_, beside)| *beside = true);
                self.began.insert(*block, (Instant::now(), shared));
                self.tell(id, event, None);
                self.terminal
                    .passing(format_args!("running  {}", visible(id)));
            }
            Event::Output { block, bytes, .. } => {
                self.tell(id, event, None);
                self.output(*block, bytes);
            }
            Event::Note { text, .. } => {
                self.tell(id, event, None);
                self.terminal.note(self.lines.note(id, text));
            }
            Event::Finished(end) => self.finished(id, end, event),
        }
    }

    fn tell(&mut self, id: &str, event: &Event, time: Option<Duration>) {
        self.terminal
            .json(&json::Event::new(self.lines.target, id, event, time));
    }

    /// Keeps the end of what a command writes; with `-v` its lines are shown at once.
    fn output(&mut self, block: usize, bytes: &[u8]) {
        let kept = self.output.entry(block).or_default();
        kept.extend_from_slice(bytes);
        if self.verbose {
            let whole = kept
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let rest = kept.split_off(whole);
            let lines = std::mem::replace(kept, rest);
            for line in lines
                .strip_suffix(b"\n")
                .map(|l| l.split(|b| *b == b'\n'))
                .into_iter()
                .flatten()
            {
                self.terminal.say(self.lines.output(line));
            }
        }
        let kept = self.output.entry(block).or_default();
        if kept.len() > KEPT {
            kept.drain(..kept.len() - KEPT / 2);
        }
    }

    fn finished(&mut self, id: &str, end: &Finished, event: &Event) {
        let began = self.began.remove(&end.block);
        let time = began
            .filter(|(_, shared)| !shared)
            .map(|(began, _)| began.elapsed());
        self.tell(id, event, time);
        let output = self.output.remove(&end.block).unwrap_or_default();
        match end.outcome {
            Outcome::Ok if !self.all => return,
            Outcome::NotRun => {
                self.not_run += 1;
                if self.not_run > NOT_RUN && !self.all {
                    return;
                }
            }
            _ => {}
        }
        if end.outcome == Outcome::Failed || self.verbose {
            self.tail(&output);
        }
        self.terminal.say(self.lines.finished(id, end, time));
        if end.outcome == Outcome::Failed {
            let planned = &self.plan.blocks[end.block];
            let place = format!("{}:{}", visible(&planned.file), planned.line);
            self.terminal.say(format_args!("         at {place}"));
        }
    }

    /// The last lines of what a command wrote.
    fn tail(&mut self, output: &[u8]) {
        let output = output.strip_suffix(b"\n").unwrap_or(output);
        if output.is_empty() {
            return;
        }
        let lines: Vec<_> = output.split(|byte| *byte == b'\n').collect();
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            self.terminal.say(self.lines.output(line));
        }
    }

    fn finish(&mut self, run: &str, report: &Report, time: Duration) {
        let rest = self.not_run.saturating_sub(NOT_RUN);
        if rest > 0 && !self.all {
            self.terminal.say(format_args!("not run  {rest} more"));
        }
        self.terminal
            .json(&json::Report::new(self.lines.target, run, report, time));
        self.terminal.say(format_args!(
            "\n{}",
            summary(self.lines.target, report, time)
        ));
    }
}
