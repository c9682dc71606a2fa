//! `hpt ping`: whether a target answers to its key, and how fast.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::style::BOLD;
use crate::remote::Remote;

#[derive(clap::Args)]
#[command(after_help = "\
A handshake with the pinned keys, and one question over it.

Examples:
  hpt --target web1 ping
  hpt --on '*' ping")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Pong<'a> {
    event: &'static str,
    target: &'a str,
    /// Whether no run holds the host.
    ready: bool,
    handshake: f64,
    answer: f64,
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, of_one)
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("ping which target?").hint("`hpt --target NAME ping`"));
    };
    let asked = Remote::with(&name, context, async |remote, _| {
        let handshake = began.elapsed();
        Ok((handshake, remote.is_ready().await?))
    });
    let (handshake, ready) = asked.await?;
    let time = began.elapsed();
    let answer = time.saturating_sub(handshake);
    let state = if ready { "ready" } else { "a run goes on" };
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let line = format!(
        "{BOLD}{name}{BOLD:#}  {state}, handshake {}, answer {}",
        millis(handshake),
        millis(answer)
    );
    context.terminal.conclude(&line, time);
    context.terminal.json(&Pong {
        event: "ping",
        target: name.as_str(),
        ready,
        handshake: handshake.as_secs_f64(),
        answer: answer.as_secs_f64(),
    });
    Ok(Exit::Done)
}
