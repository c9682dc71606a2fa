//! A target, as far as it answers over the channel: with what it can be asked, and nothing is changed.

use std::time::Instant;

use hpt_proto::wire::{Confirming, Interrupted, StatusReply};

use super::finding::Findings;
use super::here::is_ahead;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::{interrupted as broken_off, moment, span};
use crate::remote::Remote;
use crate::remote_audit::Alarm;

pub(super) async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("which target?").hint("`hpt --target NAME doctor`"));
    };
    let mut found = Findings::default();
    match Remote::connect(&name, context).await {
        Ok(remote) => {
            // What many have in common is told once, and names nobody.
            let shown = context.member.as_ref().map_or(name.as_str(), |_| "NAME");
            answers(remote, began, shown, &mut found).await;
        }
        Err(error) => {
            let about = match error.exit {
                Exit::Keystore => "keys",
                _ => "channel",
            };
            found.failed(about, error);
        }
    }
    Ok(found.tell(name.as_str(), context, began.elapsed()))
}

async fn answers(mut remote: Remote, began: Instant, name: &str, found: &mut Findings) {
    let handshake = began.elapsed();
    let status = match remote.status().await {
        Ok(status) => status,
        Err(error) => return found.failed("channel", error),
    };
    let millis = handshake.as_secs_f64() * 1000.0;
    found.ok("channel", format!("handshake in {millis:.1} ms"));
    version(&status.version, name, found);
    run(&status, name, found);
    clock(&status, found);
    let Some(look) = remote.look.take() else {
        return;
    };
    let looked = look.await;
    if let Ok(Ok(Some(told))) = &looked {
        match remote.heed_renewal(told.clone()).await {
            Ok(None) => {}
            Ok(Some(words)) => found.ok("its keys", words),
            Err(error) => found.failed("its keys", error),
        }
    }
    match looked {
        Ok(Err(Alarm(why))) => found.fail(
            "audit",
            format!("was cut or forked: {why}"),
            format!(
                "`hpt --target {name} audit verify` reads all of it, and `audit accept` goes on \
                 from what is there now"
            ),
        ),
        _ => found.ok("audit", "follows from what was seen of it before"),
    }
}

/// Which of two versions is the older one, number by number.
fn version(there: &str, name: &str, found: &mut Findings) {
    let here = env!("CARGO_PKG_VERSION");
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let numbers = text.split(['-', '+']).next()?;
        numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect()
    };
    match (numbers(there), numbers(here)) {
        _ if there == here => found.ok("version", format!("hpt {there}, as here")),
        (Some(theirs), Some(ours)) if theirs > ours => found.warn(
            "version",
            format!("hpt {there} there, and {here} here"),
            "bring this hpt up to it: an older one may not understand all answers",
        ),
        _ => found.warn(
            "version",
            format!("hpt {there} there, and {here} here"),
            format!("`hpt install root@ADDRESS --target {name} --force` brings this one"),
        ),
    }
}

fn run(status: &StatusReply, name: &str, found: &mut Findings) {
    if let Some(broken) = &status.interrupted {
        interrupted(broken, found);
    } else if let Some(open) = &status.confirming {
        confirming(open, name, found);
    } else if let Some(running) = &status.running {
        found.ok("run", format!("{} of {} goes on", running.run, running.by));
    } else {
        found.ok("run", "none goes on, none broke off");
    }
}

/// A run that broke off.
pub(super) fn interrupted(broken: &Interrupted, found: &mut Findings) {
    found.fail("run", broken_off::words(broken), broken_off::next(broken));
}

/// A run that is undone unless somebody confirms it.
pub(super) fn confirming(open: &Confirming, target: &str, found: &mut Findings) {
    let run = open.run.clone().unwrap_or_default();
    let (id, by) = (&run.run, &run.by);
    let left = span(open.left.into());
    if open.undoing {
        let words = format!("{id} of {by} was not confirmed in time, and is being undone");
        found.warn(
            "run",
            words,
            format!("`hpt --target {target} attach` shows it"),
        );
    } else {
        let words = format!("{id} of {by} is undone in {left} unless it is confirmed");
        found.warn(
            "run",
            words,
            format!("`hpt --target {target} attach {id}` confirms it"),
        );
    }
}

/// No answer says what time it is there; but what began later than it is here was timed by another clock.
fn clock(status: &StatusReply, found: &mut Findings) {
    let runs = [
        status.running.as_ref(),
        status.interrupted.as_ref().and_then(|of| of.run.as_ref()),
        status.confirming.as_ref().and_then(|of| of.run.as_ref()),
    ];
    let newest = runs.into_iter().flatten().map(|run| run.since).max();
    if let Some(since) = newest.filter(|since| is_ahead(*since)) {
        let words = format!("run began at {} UTC, which is not yet here", moment(since));
        found.warn(
            "clock",
            words,
            "`timedatectl` on both shows which one is wrong",
        );
    }
}
