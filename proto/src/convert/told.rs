//! What an apply tells: events while it goes on, and exactly one end.

use std::time::Duration;

use bytes::Bytes;
use hpt_provisioner::config::File;
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::{Hash, Stream};
use hpt_provisioner::plan::{Bound, Digest, Moved};
use hpt_provisioner::report::{Event, Finished, Outcome, Report};

use super::plan::digest;
use super::run::{Begun, Running, UNNAMED, Undone};
use super::{BadMessage, faults, hashes, index, number, to_faults, to_hashes};
use crate::wire;
use crate::wire::apply_event::Event as Wire;

/// How an apply ended. Only [`End::Report`] has done anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It ran.
    Report {
        /// The id of the run; empty if everything was in place, so that nothing had to run.
        run: String,
        /// What it has come to.
        report: Report,
        /// What became of it since, if nobody has confirmed it in time.
        undone: Option<Undone>,
        /// The name of the client that had it stop, if one had.
        cancelled_by: Option<String>,
    },
    /// The config is wrong on this host.
    Faults(Vec<Fault>),
    /// Another run holds the host.
    Busy(Running),
    /// The host is not as the plan saw it.
    Moved(Moved),
    /// These blobs must be sent first.
    Missing(Vec<Hash>),
    /// Nobody knows whether the commands of these blocks have run in an earlier run, which broke off.
    InDoubt {
        /// The earlier run.
        run: Running,
        /// Their ids.
        blocks: Vec<String>,
    },
    /// The plan that it was bound to was applied before.
    Used {
        /// The plan.
        planned: Digest,
        /// The run that has applied it, or has begun to.
        run: Running,
    },
}

impl End {
    /// That a run has come to this by itself.
    pub fn report(run: String, report: Report) -> Self {
        Self::Report {
            run,
            report,
            undone: None,
            cancelled_by: None,
        }
    }
}

/// One message of an apply.
pub enum Told {
    /// It has begun, and goes on whoever listens.
    Begun(Begun),
    /// It goes on.
    Event(Event),
    /// It is over.
    End(End),
}

impl Told {
    /// Reads a message about `files`, which were sent, and a plan of `blocks` blocks.
    ///
    /// # Errors
    /// A message that says something impossible.
    pub fn parse(
        from: wire::ApplyEvent,
        files: &[File],
        blocks: usize,
    ) -> Result<Self, BadMessage> {
        let event = from.event.ok_or(BadMessage("an empty event"))?;
        Ok(match event {
            Wire::Begun(begun) => Self::Begun(begun.try_into()?),
            Wire::Started(started) => Self::Event(Event::Started {
                block: index(started.block, blocks)?,
            }),
            Wire::Output(output) => Self::Event(Event::Output {
                block: index(output.block, blocks)?,
                stream: if output.stderr {
                    Stream::Stderr
                } else {
                    Stream::Stdout
                },
                bytes: output.bytes.into(),
            }),
            Wire::Note(note) => Self::Event(Event::Note {
                block: index(note.block, blocks)?,
                text: note.text,
            }),
            Wire::Finished(from) => Self::Event(Event::Finished(finished(from, blocks)?)),
            Wire::Report(from) => Self::End(End::Report {
                report: report(from.blocks, from.reverted, blocks)?,
                run: from.run,
                undone: from.undone.map(Into::into),
                cancelled_by: Some(from.cancelled_by).filter(|by| !by.is_empty()),
            }),
            Wire::Faults(found) => Self::End(End::Faults(faults(found, files)?)),
            Wire::Busy(running) => Self::End(End::Busy(running.into())),
            Wire::Moved(moved) => Self::End(End::Moved(Moved {
                planned: digest(&moved.planned)?,
                now: digest(&moved.now)?,
                blocks: moved.blocks,
            })),
            Wire::Missing(missing) => Self::End(End::Missing(hashes(&missing.hashes)?)),
            Wire::InDoubt(doubt) => Self::End(End::InDoubt {
                run: doubt.run.ok_or(UNNAMED)?.into(),
                blocks: doubt.blocks,
            }),
            Wire::Used(used) => Self::End(End::Used {
                planned: digest(&used.planned)?,
                run: used.run.ok_or(UNNAMED)?.into(),
            }),
            Wire::Unable(_) => return Err(BadMessage("an answer that is for hpt serve")),
        })
    }
}

impl From<Told> for wire::ApplyEvent {
    fn from(told: Told) -> Self {
        let event = match told {
            Told::Begun(begun) => Wire::Begun(begun.into()),
            Told::Event(event) => to_event(event),
            Told::End(end) => to_end(end),
        };
        Self {
            event: Some(event),
            at: None,
        }
    }
}

fn to_event(event: Event) -> Wire {
    match event {
        Event::Started { block } => Wire::Started(wire::Started {
            block: number(block),
        }),
        Event::Output {
            block,
            stream,
            bytes,
        } => Wire::Output(wire::Output {
            block: number(block),
            stderr: stream == Stream::Stderr,
            bytes: Bytes::from(bytes),
        }),
        Event::Note { block, text } => Wire::Note(wire::Note {
            block: number(block),
            text,
        }),
        Event::Finished(finished) => Wire::Finished(to_finished(finished)),
    }
}

fn to_end(end: End) -> Wire {
    match end {
        End::Report {
            run,
            report,
            undone,
            cancelled_by,
        } => Wire::Report(wire::Report {
            run,
            reverted: report.reverted,
            undone: undone.map(Into::into),
            cancelled_by: cancelled_by.unwrap_or_default(),
            blocks: report.blocks.into_iter().map(to_finished).collect(),
        }),
        End::Faults(faults) => Wire::Faults(to_faults(&faults)),
        End::Busy(running) => Wire::Busy(running.into()),
        End::Moved(moved) => Wire::Moved(wire::Moved {
            planned: moved.planned.0.to_vec(),
            now: moved.now.0.to_vec(),
            blocks: moved.blocks,
        }),
        End::Missing(list) => Wire::Missing(wire::MissingBlobsReply {
            hashes: to_hashes(&list),
        }),
        End::InDoubt { run, blocks } => Wire::InDoubt(wire::InDoubt {
            run: Some(run.into()),
            blocks,
        }),
        End::Used { planned, run } => Wire::Used(wire::Used {
            planned: planned.0.to_vec(),
            run: Some(run.into()),
        }),
    }
}

/// A report has one outcome for each block, in order.
fn report(from: Vec<wire::Finished>, reverted: bool, blocks: usize) -> Result<Report, BadMessage> {
    let list = from
        .into_iter()
        .map(|one| finished(one, blocks))
        .collect::<Result<Vec<_>, _>>()?;
    if list.len() != blocks
        || list
            .iter()
            .enumerate()
            .any(|(place, one)| one.block != place)
    {
        return Err(BadMessage("a report that does not fit the plan"));
    }
    Ok(Report {
        blocks: list,
        reverted,
    })
}

fn finished(from: wire::Finished, blocks: usize) -> Result<Finished, BadMessage> {
    let outcome = outcome(from.outcome()).ok_or(BadMessage("an unknown outcome"))?;
    let block = index(from.block, blocks)?;
    Ok(Finished {
        block,
        outcome,
        note: from.note,
        exit: from.exit,
    })
}

/// What became of a block; `None` for a word that is not known here.
pub fn outcome(from: wire::Outcome) -> Option<Outcome> {
    Some(match from {
        wire::Outcome::Unspecified => return None,
        wire::Outcome::Ok => Outcome::Ok,
        wire::Outcome::Changed => Outcome::Changed,
        wire::Outcome::Skipped => Outcome::Skipped,
        wire::Outcome::Failed => Outcome::Failed,
        wire::Outcome::NotRun => Outcome::NotRun,
        wire::Outcome::Reverted => Outcome::Reverted,
    })
}

fn to_finished(from: Finished) -> wire::Finished {
    wire::Finished {
        block: number(from.block),
        outcome: to_outcome(from.outcome).into(),
        note: from.note,
        exit: from.exit,
    }
}

/// What became of a block, as it travels.
pub fn to_outcome(from: Outcome) -> wire::Outcome {
    match from {
        Outcome::Ok => wire::Outcome::Ok,
        Outcome::Changed => wire::Outcome::Changed,
        Outcome::Skipped => wire::Outcome::Skipped,
        Outcome::Failed => wire::Outcome::Failed,
        Outcome::NotRun => wire::Outcome::NotRun,
        Outcome::Reverted => wire::Outcome::Reverted,
    }
}

impl wire::ApplyRequest {
    /// The plan that it is bound to, if to any.
    ///
    /// # Errors
    /// A digest that is not 32 bytes long.
    pub fn bound(&self) -> Result<Option<Bound>, BadMessage> {
        self.bound.clone().map(Bound::try_from).transpose()
    }

    /// The time in which it must be confirmed; zero if it need not be, and `None` if its config decides.
    ///
    /// # Errors
    /// More than a day.
    pub fn window(&self) -> Result<Option<Duration>, BadMessage> {
        if self.confirm.is_some_and(|seconds| seconds > 86_400) {
            return Err(BadMessage("a run waits a day at most to be confirmed"));
        }
        Ok(self
            .confirm
            .map(|seconds| Duration::from_secs(seconds.into())))
    }
}

impl wire::UpgradeRequest {
    /// The new program, and how long after its start it must be confirmed.
    ///
    /// # Errors
    /// If that is no hash, no time at all or longer than a day.
    pub fn parse(&self) -> Result<(Hash, Duration), BadMessage> {
        if !(1..=86_400).contains(&self.confirm) {
            return Err(BadMessage(
                "an upgrade waits a second at least and a day at most to be confirmed",
            ));
        }
        let window = Duration::from_secs(self.confirm.into());
        Ok((super::hash(&self.hash)?, window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(block: usize, outcome: Outcome) -> Finished {
        Finished {
            block,
            outcome,
            note: "installed".into(),
            exit: Some(-1),
        }
    }

    fn there_and_back(told: Told) -> Told {
        Told::parse(told.into(), &[], 5).unwrap()
    }

    #[test]
    fn every_end_arrives_as_it_was_sent() {
        let outcomes = [
            Outcome::Ok,
            Outcome::Changed,
            Outcome::Skipped,
            Outcome::Failed,
            Outcome::NotRun,
        ];
        let blocks = outcomes
            .into_iter()
            .enumerate()
            .map(|(i, o)| done(i, o))
            .collect();
        let ends = [
            End::Report {
                run: "4f".into(),
                report: Report {
                    blocks,
                    reverted: true,
                },
                undone: Some(Undone {
                    by: "50".into(),
                    stays: vec!["exec:load".into()],
                }),
                cancelled_by: Some("ana".into()),
            },
            End::Faults(vec![]),
            End::Busy(Running {
                run: "4f".into(),
                by: "laptop".into(),
                since: 7,
            }),
            End::Moved(Moved {
                planned: Digest([1; 32]),
                now: Digest([2; 32]),
                blocks: vec!["file:/etc/motd".into()],
            }),
            End::Missing(vec![blake3::hash(b"x")]),
            End::InDoubt {
                run: Running {
                    run: "4f".into(),
                    by: "laptop".into(),
                    since: 7,
                },
                blocks: vec!["exec:migrate".into()],
            },
            End::Used {
                planned: Digest([3; 32]),
                run: Running {
                    run: "4f".into(),
                    by: "laptop".into(),
                    since: 7,
                },
            },
        ];
        for end in ends {
            match there_and_back(Told::End(end.clone())) {
                Told::End(got) => assert_eq!(got, end),
                _ => panic!("an end became something else"),
            }
        }
    }

    #[test]
    fn every_event_arrives_as_it_was_sent() {
        let bytes = vec![0xff, 0];
        let events = [
            Event::Started { block: 4 },
            Event::Output {
                block: 1,
                stream: Stream::Stderr,
                bytes,
            },
            Event::Note {
                block: 2,
                text: "waiting".into(),
            },
            Event::Finished(done(3, Outcome::Failed)),
        ];
        for event in events {
            let words = format!("{event:?}");
            match there_and_back(Told::Event(event)) {
                Told::Event(got) => assert_eq!(format!("{got:?}"), words),
                _ => panic!("an event became something else"),
            }
        }
    }

    /// I5: one thing wrong at a time.
    #[test]
    fn what_is_impossible_is_refused() {
        let finished = |block, outcome| wire::Finished {
            block,
            outcome,
            ..Default::default()
        };
        let report = |blocks| {
            Wire::Report(wire::Report {
                blocks,
                ..wire::Report::default()
            })
        };
        let good = || (0..5).map(|block| finished(block, 1)).collect::<Vec<_>>();
        assert!(
            Told::parse(
                wire::ApplyEvent {
                    event: Some(report(good())),
                    at: None,
                },
                &[],
                5
            )
            .is_ok()
        );
        let mut twice = good();
        twice[4].block = 3;
        let bad = [
            None,
            Some(Wire::Started(wire::Started { block: 5 })),
            Some(Wire::Note(wire::Note {
                block: u32::MAX,
                text: String::new(),
            })),
            Some(Wire::Finished(finished(0, 0))),
            Some(Wire::Finished(finished(0, 17))),
            Some(Wire::Finished(finished(5, 1))),
            Some(report(good().split_off(1))),
            Some(report(twice)),
            Some(Wire::Moved(wire::Moved {
                planned: vec![0; 31],
                now: vec![0; 32],
                blocks: vec![],
            })),
            Some(Wire::Missing(wire::MissingBlobsReply {
                hashes: vec![vec![0; 33]],
            })),
        ];
        for (case, event) in bad.into_iter().enumerate() {
            assert!(
                Told::parse(wire::ApplyEvent { event, at: None }, &[], 5).is_err(),
                "case {case}"
            );
        }
    }
}
