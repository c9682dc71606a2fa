//! A plan, or the faults that kept it from being made.

use hpt_provisioner::config::File;
use hpt_provisioner::describe::Detail;
use hpt_provisioner::diff::{Line, Tag};
use hpt_provisioner::fault::Fault;
use hpt_provisioner::plan::{Bound, Digest, Mark, Plan, Planned, Verdict};

use super::{BadMessage, faults, hashes, number, to_faults, to_hashes};
use crate::wire;

/// Reads what a target answers to a plan's request; `files` are those that were sent.
///
/// # Errors
/// An answer that is neither, or that says something impossible.
pub fn plan_reply(
    from: wire::PlanReply,
    files: &[File],
) -> Result<Result<Plan, Vec<Fault>>, BadMessage> {
    match from.result {
        Some(wire::plan_reply::Result::Plan(plan)) => Plan::try_from(plan).map(Ok),
        Some(wire::plan_reply::Result::Faults(found)) => faults(found, files).map(Err),
        None => Err(BadMessage("neither a plan nor faults")),
    }
}

/// The answer to a plan's request as it travels.
pub fn to_plan_reply(reply: &Result<Plan, Vec<Fault>>) -> wire::PlanReply {
    let result = match reply {
        Ok(plan) => wire::plan_reply::Result::Plan(plan.into()),
        Err(faults) => wire::plan_reply::Result::Faults(to_faults(faults)),
    };
    wire::PlanReply {
        result: Some(result),
        interrupted: None,
        unkept: false,
        confirm: 0,
    }
}

/// Reads the digest of a plan.
///
/// # Errors
/// Another length than 32 bytes.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, BadMessage> {
    let bytes = bytes
        .try_into()
        .map_err(|_| BadMessage("a digest that is not 32 bytes long"))?;
    Ok(Digest(bytes))
}

impl TryFrom<wire::Bound> for Bound {
    type Error = BadMessage;

    fn try_from(from: wire::Bound) -> Result<Self, BadMessage> {
        Ok(Self {
            digest: digest(&from.digest)?,
            marks: from.marks.into_iter().map(Mark).collect(),
        })
    }
}

impl From<&Bound> for wire::Bound {
    fn from(bound: &Bound) -> Self {
        Self {
            digest: bound.digest.0.to_vec(),
            marks: bound.marks.iter().map(|mark| mark.0).collect(),
        }
    }
}

impl TryFrom<wire::Plan> for Plan {
    type Error = BadMessage;

    fn try_from(from: wire::Plan) -> Result<Self, BadMessage> {
        let blocks = from.blocks.into_iter().map(Planned::try_from);
        Ok(Self {
            digest: digest(&from.digest)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            missing: hashes(&from.missing)?,
        })
    }
}

impl From<&Plan> for wire::Plan {
    fn from(plan: &Plan) -> Self {
        Self {
            digest: plan.digest.0.to_vec(),
            blocks: plan.blocks.iter().map(Into::into).collect(),
            missing: to_hashes(&plan.missing),
        }
    }
}

impl TryFrom<wire::Planned> for Planned {
    type Error = BadMessage;

    fn try_from(from: wire::Planned) -> Result<Self, BadMessage> {
        let verdict = verdict(from.verdict())?;
        let details = from.details.into_iter().map(detail);
        Ok(Self {
            id: from.id,
            file: from.file,
            line: usize::try_from(from.line).map_err(|_| BadMessage("a line beyond any file"))?,
            verdict,
            summary: from.summary,
            details: details.collect::<Result<_, _>>()?,
            mark: Mark(from.mark),
        })
    }
}

impl From<&Planned> for wire::Planned {
    fn from(planned: &Planned) -> Self {
        Self {
            id: planned.id.clone(),
            file: planned.file.clone(),
            line: number(planned.line),
            verdict: to_verdict(planned.verdict).into(),
            summary: planned.summary.clone(),
            details: planned.details.iter().map(to_detail).collect(),
            mark: planned.mark.0,
        }
    }
}

/// A number that names no verdict reads as the first one, which is none.
fn verdict(from: wire::Verdict) -> Result<Verdict, BadMessage> {
    Ok(match from {
        wire::Verdict::Unspecified => return Err(BadMessage("an unknown verdict")),
        wire::Verdict::Ok => Verdict::Ok,
        wire::Verdict::Create => Verdict::Create,
        wire::Verdict::Update => Verdict::Update,
        wire::Verdict::Delete => Verdict::Delete,
        wire::Verdict::Run => Verdict::Run,
        wire::Verdict::Maybe => Verdict::Maybe,
        wire::Verdict::Blocked => Verdict::Blocked,
        wire::Verdict::Skip => Verdict::Skip,
        wire::Verdict::Orphan => Verdict::Orphan,
    })
}

fn to_verdict(verdict: Verdict) -> wire::Verdict {
    match verdict {
        Verdict::Ok => wire::Verdict::Ok,
        Verdict::Create => wire::Verdict::Create,
        Verdict::Update => wire::Verdict::Update,
        Verdict::Delete => wire::Verdict::Delete,
        Verdict::Run => wire::Verdict::Run,
        Verdict::Maybe => wire::Verdict::Maybe,
        Verdict::Blocked => wire::Verdict::Blocked,
        Verdict::Skip => wire::Verdict::Skip,
        Verdict::Orphan => wire::Verdict::Orphan,
    }
}

/// Reads a detail of a plan.
///
/// # Errors
/// If it says nothing.
pub fn detail(from: wire::Detail) -> Result<Detail, BadMessage> {
    match from.kind {
        Some(wire::detail::Kind::Text(text)) => Ok(Detail::Text(text)),
        Some(wire::detail::Kind::Diff(diff)) => {
            let lines = diff.lines.into_iter().map(line).collect::<Result<_, _>>()?;
            Ok(Detail::Diff {
                path: diff.path,
                lines,
            })
        }
        None => Err(BadMessage("an empty detail")),
    }
}

/// A detail of a plan as it travels.
pub fn to_detail(detail: &Detail) -> wire::Detail {
    let kind = match detail {
        Detail::Text(text) => wire::detail::Kind::Text(text.clone()),
        Detail::Diff { path, lines } => {
            let lines = lines.iter().map(to_line).collect();
            wire::detail::Kind::Diff(wire::Diff {
                path: path.clone(),
                lines,
            })
        }
    };
    wire::Detail { kind: Some(kind) }
}

fn line(from: wire::Line) -> Result<Line, BadMessage> {
    let unknown = BadMessage("an unknown sort of line in a diff");
    let tag = match wire::line::Tag::try_from(from.tag).map_err(|_| unknown)? {
        wire::line::Tag::Same => Tag::Same,
        wire::line::Tag::Old => Tag::Old,
        wire::line::Tag::New => Tag::New,
        wire::line::Tag::Gap => Tag::Gap,
    };
    Ok(Line {
        tag,
        text: from.text,
    })
}

fn to_line(line: &Line) -> wire::Line {
    let tag = match line.tag {
        Tag::Same => wire::line::Tag::Same,
        Tag::Old => wire::line::Tag::Old,
        Tag::New => wire::line::Tag::New,
        Tag::Gap => wire::line::Tag::Gap,
    };
    wire::Line {
        tag: tag.into(),
        text: line.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERDICTS: [Verdict; 9] = [
        Verdict::Ok,
        Verdict::Create,
        Verdict::Update,
        Verdict::Delete,
        Verdict::Run,
        Verdict::Maybe,
        Verdict::Blocked,
        Verdict::Skip,
        Verdict::Orphan,
    ];

    fn sample() -> Plan {
        let lines = [Tag::Same, Tag::Old, Tag::New, Tag::Gap]
            .map(|tag| Line {
                tag,
                text: format!("{tag:?}"),
            })
            .to_vec();
        let details = vec![
            Detail::Text("mode 0600 -> 0644".into()),
            Detail::Diff {
                path: "/etc/motd".into(),
                lines,
            },
        ];
        let block = |verdict| Planned {
            id: format!("file:{verdict:?}"),
            file: "site.toml".into(),
            line: 3,
            verdict,
            summary: "0644 root:root".into(),
            details: details.clone(),
            mark: Mark(u64::MAX - 1),
        };
        Plan {
            digest: Digest([7; 32]),
            blocks: VERDICTS.map(block).to_vec(),
            missing: vec![blake3::hash(b"x")],
        }
    }

    #[test]
    fn a_plan_arrives_as_it_was_sent() {
        let bound = sample().bound();
        assert_eq!(Bound::try_from(wire::Bound::from(&bound)), Ok(bound));
        let reply = Ok(sample());
        assert_eq!(plan_reply(to_plan_reply(&reply), &[]), Ok(reply));
    }

    /// I5: one thing wrong at a time.
    #[test]
    fn a_plan_that_says_something_impossible_is_refused() {
        let spoil: [fn(&mut wire::Plan); 7] = [
            |p| p.digest.push(0),
            |p| p.missing[0].clear(),
            |p| p.blocks[0].verdict = 0,
            |p| p.blocks[0].verdict = 99,
            |p| p.blocks[0].details[0].kind = None,
            |p| {
                let Some(wire::detail::Kind::Diff(diff)) = &mut p.blocks[0].details[1].kind else {
                    panic!("a diff");
                };
                diff.lines[0].tag = 4;
            },
            |p| p.digest.clear(),
        ];
        for (case, spoil) in spoil.iter().enumerate() {
            let mut plan = wire::Plan::from(&sample());
            spoil(&mut plan);
            assert!(Plan::try_from(plan).is_err(), "case {case}");
        }
        assert!(plan_reply(wire::PlanReply::default(), &[]).is_err());
    }
}
