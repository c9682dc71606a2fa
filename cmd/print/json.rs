//! What programs read: one object a line. Every object says in `event` what it is.

use std::time::Duration;

use hpt_proto::wire;
use hpt_provisioner::config::File;
use hpt_provisioner::describe::Detail;
use hpt_provisioner::diff::Tag;
use hpt_provisioner::fault::{self, Severity};
use hpt_provisioner::host::Stream;
use hpt_provisioner::plan::{self, Planned, Verdict};
use hpt_provisioner::report::{self, Finished, Outcome};
use serde::Serialize;

use crate::error::Exit;
use crate::terminal::text_of;

/// The word for a verdict.
fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Create => "create",
        Verdict::Update => "update",
        Verdict::Delete => "delete",
        Verdict::Run => "run",
        Verdict::Maybe => "maybe",
        Verdict::Blocked => "blocked",
        Verdict::Skip => "skip",
        Verdict::Orphan => "orphan",
    }
}

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

/// A plan.
#[derive(Serialize)]
pub(crate) struct Plan<'a> {
    event: &'static str,
    target: &'a str,
    digest: String,
    create: usize,
    update: usize,
    delete: usize,
    run: usize,
    maybe: usize,
    blocked: usize,
    ok: usize,
    skip: usize,
    orphan: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Fault<'a>>,
    /// In how many seconds a run that brings it about must be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirm: Option<u64>,
    blocks: Vec<Block<'a>>,
}

/// A block of a plan.
#[derive(Serialize)]
pub(crate) struct Block<'a> {
    id: &'a str,
    file: &'a str,
    line: usize,
    verdict: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Part<'a>>,
}

/// A detail: a sentence, or the lines of a diff behind ` `, `-` and `+`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Diff { path: &'a str, lines: Vec<String> },
}

impl<'a> Part<'a> {
    pub(crate) fn new(detail: &'a Detail) -> Self {
        match detail {
            Detail::Text(text) => Self::Text(text),
            Detail::Diff { path, lines } => {
                let line = |line: &hpt_provisioner::diff::Line| match line.tag {
                    Tag::Same => format!(" {}", line.text),
                    Tag::Old => format!("-{}", line.text),
                    Tag::New => format!("+{}", line.text),
                    Tag::Gap => "...".to_owned(),
                };
                Self::Diff {
                    path,
                    lines: lines.iter().map(line).collect(),
                }
            }
        }
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        target: &'a str,
        plan: &'a plan::Plan,
        warnings: Vec<Fault<'a>>,
        time: Duration,
    ) -> Self {
        Self {
            event: "plan",
            target,
            digest: blake3::Hash::from(plan.digest.0).to_hex().to_string(),
            create: plan.count(Verdict::Create),
            update: plan.count(Verdict::Update),
            delete: plan.count(Verdict::Delete),
            run: plan.count(Verdict::Run),
            maybe: plan.count(Verdict::Maybe),
            blocked: plan.count(Verdict::Blocked),
            ok: plan.count(Verdict::Ok),
            skip: plan.count(Verdict::Skip),
            orphan: plan.count(Verdict::Orphan),
            seconds: time.as_secs_f64(),
            warnings,
            confirm: None,
            blocks: plan.blocks.iter().map(Block::new).collect(),
        }
    }
}

impl<'a> Block<'a> {
    pub(crate) fn new(block: &'a Planned) -> Self {
        Self {
            id: &block.id,
            file: &block.file,
            line: block.line,
            verdict: verdict(block.verdict),
            summary: &block.summary,
            details: block.details.iter().map(Part::new).collect(),
        }
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

/// Why a command failed.
#[derive(Serialize)]
pub(crate) struct Error<'a> {
    event: &'static str,
    exit: u8,
    what: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault<'a>>,
}

impl<'a> Error<'a> {
    pub(crate) fn words(exit: Exit, what: &'a str, hints: &'a [String]) -> Self {
        Self {
            event: "error",
            exit: exit.code(),
            what,
            hints,
            faults: Vec::new(),
        }
    }

    pub(crate) fn faults(exit: Exit, files: &'a [File], faults: &'a [fault::Fault]) -> Self {
        let what = "the config is invalid";
        Self {
            event: "error",
            exit: exit.code(),
            what,
            hints: &[],
            faults: Fault::all(files, faults),
        }
    }
}

/// What is wrong with a config.
#[derive(Serialize)]
pub(crate) struct Fault<'a> {
    severity: &'static str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> Fault<'a> {
    pub(crate) fn all(files: &'a [File], faults: &'a [fault::Fault]) -> Vec<Self> {
        faults.iter().map(|fault| Self::new(files, fault)).collect()
    }

    fn new(files: &'a [File], fault: &'a fault::Fault) -> Self {
        let file = fault.place.as_ref().map(|place| &files[place.file]);
        let at = fault
            .place
            .as_ref()
            .zip(file)
            .map(|(place, file)| place.line_column(&file.text));
        Self {
            severity: match fault.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            what: &fault.what,
            file: file.map(|file| file.name.as_str()),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            label: fault.label.as_deref(),
            hint: fault.hint.as_deref(),
        }
    }
}

/// That a config is valid.
#[derive(Serialize)]
pub(crate) struct Checked<'a> {
    event: &'static str,
    files: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Fault<'a>>,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(files: &'a [File], warnings: &'a [fault::Fault]) -> Self {
        let names = files.iter().map(|file| file.name.as_str()).collect();
        Self {
            event: "checked",
            files: names,
            warnings: Fault::all(files, warnings),
        }
    }
}
