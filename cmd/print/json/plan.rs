//! What programs read of plans.

use std::time::Duration;

use hpt_provisioner::describe::Detail;
use hpt_provisioner::diff::Tag;
use hpt_provisioner::plan::{self, Planned, Verdict};
use serde::Serialize;

use super::Fault;

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
