//! What programs read of runs.

use std::time::Duration;

use hpt_proto::wire;
use hpt_provisioner::host::Stream;
use hpt_provisioner::report::{self, Finished, Outcome};
use serde::Serialize;

use crate::terminal::text_of;

/// The word for an outcome.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Changed => "changed",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
        Outcome::NotRun => "not run",
        Outcome::Reverted => "reverted",
    }
}

/// A run has begun.
#[derive(Serialize)]
pub(crate) struct Begun<'a> {
    event: &'static str,
    target: &'a str,
    run: &'a str,
    by: &'a str,
    since: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    config: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    undoes: &'a str,
}

impl<'a> Begun<'a> {
    pub(crate) fn new(target: &'a str, begun: &'a hpt_proto::Begun) -> Self {
        let hpt_proto::Running { run, by, since } = &begun.running;
        Self {
            event: "begun",
            target,
            run,
            by,
            since: *since,
            config: &begun.config,
            undoes: &begun.undoes,
        }
    }
}

/// A run whose process ended before it did, and what became of its blocks.
#[derive(Serialize)]
pub(crate) struct Interrupted<'a> {
    run: &'a str,
    by: &'a str,
    since: u64,
    done: &'a [String],
    in_doubt: &'a [String],
    /// What runs again only by `--rerun`.
    commands: &'a [String],
    not_started: u32,
}

impl<'a> Interrupted<'a> {
    /// `None` if it does not say of which run.
    pub(crate) fn new(broken: &'a wire::Interrupted) -> Option<Self> {
        let run = broken.run.as_ref()?;
        Some(Self {
            run: &run.run,
            by: &run.by,
            since: run.since,
            done: &broken.done,
            in_doubt: &broken.in_doubt,
            commands: &broken.commands,
            not_started: broken.not_started,
        })
    }
}

/// What is said of it before a plan.
#[derive(Serialize)]
pub(crate) struct BrokeOff<'a> {
    event: &'static str,
    target: &'a str,
    #[serde(flatten)]
    what: Interrupted<'a>,
}

impl<'a> BrokeOff<'a> {
    pub(crate) fn new(target: &'a str, broken: &'a wire::Interrupted) -> Option<Self> {
        Some(Self {
            event: "interrupted",
            target,
            what: Interrupted::new(broken)?,
        })
    }
}

/// One thing that a run tells.
#[derive(Serialize)]
pub(crate) struct Event<'a> {
    event: &'static str,
    target: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    /// Seconds since the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl<'a> Event<'a> {
    /// An event about the block `id`, so long after the run began if that is known; `time` is how long
    /// it took, for one that is over.
    pub(crate) fn new(
        target: &'a str,
        id: &'a str,
        event: &report::Event,
        at: Option<Duration>,
        time: Option<Duration>,
    ) -> Self {
        let mut this = Self {
            event: "started",
            target,
            id,
            outcome: None,
            stream: None,
            text: None,
            exit: None,
            at: at.map(|at| at.as_secs_f64()),
            seconds: time.map(|time| time.as_secs_f64()),
        };
        match event {
            report::Event::Started { .. } => {}
            report::Event::Output { stream, bytes, .. } => {
                this.event = "output";
                this.stream = Some(match stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                });
                this.text = Some(text_of(bytes));
            }
            report::Event::Note { text, .. } => {
                this.event = "note";
                this.text = Some(text.clone());
            }
            report::Event::Finished(Finished {
                outcome: end,
                note,
                exit,
                ..
            }) => {
                this.event = "finished";
                this.outcome = Some(outcome(*end));
                this.text = Some(note.clone()).filter(|note| !note.is_empty());
                this.exit = *exit;
            }
        }
        this
    }
}

/// That a host is waited for, which this run holds.
#[derive(Serialize)]
pub(crate) struct Waiting<'a> {
    event: &'static str,
    target: &'a str,
    run: &'a str,
    by: &'a str,
    since: u64,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(target: &'a str, running: &'a hpt_proto::Running) -> Self {
        let hpt_proto::Running { run, by, since } = running;
        Self {
            event: "waiting",
            target,
            run,
            by,
            since: *since,
        }
    }
}

/// That somebody was asked, and did not want what was planned.
#[derive(Serialize)]
pub(crate) struct Declined<'a> {
    event: &'static str,
    target: &'a str,
}

impl<'a> Declined<'a> {
    pub(crate) fn new(target: &'a str) -> Self {
        let event = "declined";
        Self { event, target }
    }
}

/// That a run stays, for it was confirmed.
#[derive(Serialize)]
pub(crate) struct Confirmed<'a> {
    event: &'static str,
    target: &'a str,
    run: &'a str,
}

impl<'a> Confirmed<'a> {
    pub(crate) fn new(target: &'a str, run: &'a str) -> Self {
        let event = "confirmed";
        Self { event, target, run }
    }
}

/// What a run has come to.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    event: &'static str,
    target: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    run: &'a str,
    changed: usize,
    ok: usize,
    skipped: usize,
    failed: usize,
    not_run: usize,
    reverted: usize,
    /// The run that has undone it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undone_by: Option<&'a str>,
    /// What that, or this if it is an undo, has not put back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stays: Vec<String>,
    /// The client that had it stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancelled_by: Option<&'a str>,
    seconds: f64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        target: &'a str,
        run: &'a str,
        report: &report::Report,
        time: Duration,
    ) -> Self {
        Self {
            event: "report",
            target,
            run,
            changed: report.count(Outcome::Changed),
            ok: report.count(Outcome::Ok),
            skipped: report.count(Outcome::Skipped),
            failed: report.count(Outcome::Failed),
            not_run: report.count(Outcome::NotRun),
            reverted: report.count(Outcome::Reverted),
            undone_by: None,
            stays: Vec::new(),
            cancelled_by: None,
            seconds: time.as_secs_f64(),
        }
    }
}
