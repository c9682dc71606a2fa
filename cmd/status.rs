//! `hpt status`: who a target is, and whether a run goes on.

use std::time::Instant;

use hpt_proto::wire::{self, Doing};
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::style::BOLD;
use crate::print::{interrupted, json, listed, span};
use crate::remote::Remote;
use crate::terminal::visible;
use crate::upgrade::program;

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Status<'a> {
    event: &'static str,
    target: &'a str,
    version: &'a str,
    /// The hash of the program that answers.
    program: String,
    hostname: &'a str,
    system: &'a str,
    uptime: u64,
    running: Option<Running<'a>>,
    interrupted: Option<json::Interrupted<'a>>,
    confirming: Option<Confirming<'a>>,
    seconds: f64,
}

#[derive(Serialize)]
struct Running<'a> {
    run: &'a str,
    by: &'a str,
    since: u64,
    /// The name of its config.
    config: &'a str,
    /// The run that it undoes.
    undoes: &'a str,
    /// The block that it is at.
    block: &'a str,
    /// The client that wants it to stop.
    cancelled_by: &'a str,
}

/// What the run does that goes on.
fn doing(doing: &Doing) -> String {
    let Doing {
        config,
        undoes,
        block,
        cancelled_by,
    } = doing;
    let mut words = Vec::new();
    if !undoes.is_empty() {
        words.push(format!("undoes run {}", visible(undoes)));
    } else if !config.is_empty() {
        words.push(format!("provisions {}", visible(config)));
    }
    if !block.is_empty() {
        words.push(format!("is at {}", visible(block)));
    }
    if !cancelled_by.is_empty() {
        words.push(format!(
            "stops then: cancelled by {}",
            visible(cancelled_by)
        ));
    }
    listed(words)
}

/// A run that is undone unless it is confirmed in so many seconds.
#[derive(Serialize)]
struct Confirming<'a> {
    run: &'a str,
    by: &'a str,
    since: u64,
    goes_on: bool,
    undoing: bool,
    left: u32,
}

impl<'a> Confirming<'a> {
    fn new(of: &'a wire::Confirming) -> Option<Self> {
        let run = of.run.as_ref()?;
        Some(Self {
            run: &run.run,
            by: &run.by,
            since: run.since,
            goes_on: of.goes_on,
            undoing: of.undoing,
            left: of.left,
        })
    }

    /// What becomes of it, and what to type.
    fn words(&self, target: &str) -> String {
        let (run, by) = (visible(self.run), visible(self.by));
        let left = span(self.left.into());
        if self.undoing {
            format!("run {run} of {by} was not confirmed in time, and is being undone")
        } else if self.goes_on {
            format!("run {run} of {by} must be confirmed within {left} after its end")
        } else {
            format!(
                "run {run} of {by} is undone in {left} unless it is confirmed: \
                 `hpt --target {target} attach {run}`"
            )
        }
    }
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, of_one)
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("whose status?").hint("`hpt --target NAME status`"));
    };
    let reply = Remote::with(&name, context, async |remote, _| remote.status().await).await?;
    let time = began.elapsed();
    let running = reply.running.as_ref();
    let broken = reply.interrupted.as_ref();
    let state = running.map_or("no run".to_owned(), |run| {
        let since = span(now().saturating_sub(run.since));
        let (id, by) = (visible(&run.run), visible(&run.by));
        format!("run {id} of {by} for {since}")
    });
    let about = [
        visible(&reply.hostname).into_owned(),
        visible(&reply.system).into_owned(),
        format!("hpt {}", visible(&reply.version)),
        format!("serving for {}", span(reply.uptime)),
        state,
    ];
    let doing = reply.doing.as_ref().map(doing).unwrap_or_default();
    let about = about.into_iter().chain([doing]);
    let about = listed(about.filter(|words| !words.is_empty()));
    let line = format!("{BOLD}{name}{BOLD:#}  {about}");
    context.terminal.conclude(&line, time);
    if let Some(broken) = broken {
        context.terminal.say(format_args!(
            "\n{}\n{}",
            interrupted::words(broken),
            interrupted::next(broken)
        ));
    }
    let does = reply.doing.clone().unwrap_or_default();
    let confirming = reply.confirming.as_ref().and_then(Confirming::new);
    if let Some(of) = &confirming {
        let words = of.words(name.as_str());
        context.terminal.say(format_args!("\n{words}"));
    }
    context.terminal.json(&Status {
        event: "status",
        target: name.as_str(),
        version: &reply.version,
        program: program(&reply.program),
        hostname: &reply.hostname,
        system: &reply.system,
        uptime: reply.uptime,
        running: running.map(|run| Running {
            run: &run.run,
            by: &run.by,
            since: run.since,
            config: &does.config,
            undoes: &does.undoes,
            block: &does.block,
            cancelled_by: &does.cancelled_by,
        }),
        interrupted: broken.and_then(json::Interrupted::new),
        confirming,
        seconds: time.as_secs_f64(),
    });
    Ok(if broken.is_some() {
        Exit::InDoubt
    } else {
        Exit::Done
    })
}
