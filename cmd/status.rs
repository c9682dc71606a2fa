//! `hpt status`: who a target is, and whether a run goes on.

use std::time::Instant;

use serde::Serialize;

use crate::context::{Context, now, runtime};
use crate::error::{CommandError, Exit};
use crate::print::style::BOLD;
use crate::print::{interrupted, json, listed, span, with_time};
use crate::remote::Remote;
use crate::terminal::visible;

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Status<'a> {
    event: &'static str,
    target: &'a str,
    version: &'a str,
    hostname: &'a str,
    system: &'a str,
    uptime: u64,
    running: Option<Running<'a>>,
    interrupted: Option<json::Interrupted<'a>>,
    seconds: f64,
}

#[derive(Serialize)]
struct Running<'a> {
    run: &'a str,
    by: &'a str,
    since: u64,
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("whose status?").hint("`hpt --target NAME status`"));
    };
    let reply =
        runtime()?.block_on(async { Remote::connect(&name, context).await?.status().await })?;
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
        format!("up {}", span(reply.uptime)),
        state,
    ];
    let about = listed(about.into_iter().filter(|words| !words.is_empty()));
    let line = format!("{BOLD}{name}{BOLD:#}  {about}");
    context.terminal.say(with_time(&line, time));
    if let Some(broken) = broken {
        context
            .terminal
            .say(format_args!("\n{}", interrupted::words(broken)));
    }
    context.terminal.json(&Status {
        event: "status",
        target: name.as_str(),
        version: &reply.version,
        hostname: &reply.hostname,
        system: &reply.system,
        uptime: reply.uptime,
        running: running.map(|run| Running {
            run: &run.run,
            by: &run.by,
            since: run.since,
        }),
        interrupted: broken.and_then(json::Interrupted::new),
        seconds: time.as_secs_f64(),
    });
    Ok(if broken.is_some() {
        Exit::InDoubt
    } else {
        Exit::Done
    })
}
