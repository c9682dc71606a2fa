//! The two records of a run in the audit: one before its first effect, one before its end is told.

use std::fmt::Display;
use std::time::{Duration, Instant};

use hpt_proto::End;
use hpt_provisioner::report::{Outcome, Report};
use hpt_provisioner::request::Request;

use crate::audit::{Asked, Audit, Entry, Kind};
use crate::journal::{Journal, Journals, Standing};
use crate::run::RunError;

/// A run as the audit tells of it.
pub(crate) struct Recorded {
    audit: Audit,
    began: Entry,
    since: Instant,
}

impl Recorded {
    pub(crate) fn new(audit: Audit, began: Entry, asked: &Asked) -> Self {
        Self {
            audit,
            began: began.with("grants", &asked.grants),
            since: Instant::now(),
        }
    }

    /// Records that the run begins, and that an earlier one broke off, if so. Without this there is
    /// no run (L1).
    pub(crate) fn begin(&self, journals: &Journals) -> Result<(), RunError> {
        let cut = match self.began.kind {
            Kind::RunResumed => None, // it is the one that has no end yet
            _ => Standing::unfinished(journals)?,
        };
        let cut = cut.map(|run| {
            let running = run.running();
            let entry = Entry::new(self.began.time, Kind::RunCut);
            Entry {
                by: running.by,
                run: running.run,
                ..entry.with("began", running.since)
            }
        });
        let entries: Vec<_> = cut.into_iter().chain([self.began.clone()]).collect();
        let begun = match self.began.kind {
            Kind::UndoBegan => self.audit.begin_undo(&entries),
            _ => self.audit.begin(&entries),
        };
        begun.map_err(RunError::Audit)?;
        Ok(())
    }

    /// Records that there was no run after all.
    pub(crate) fn failed<E: Display>(&self, why: E) -> E {
        self.audit.note(&[self
            .ended()
            .with("why", format_args!("nothing was done: {why}"))]);
        why
    }

    /// The fingerprint of the key of who asked.
    pub(crate) fn key(&self) -> &str {
        &self.began.key
    }

    /// How long ago something was, in unix seconds.
    pub(crate) fn age(&self, then: u64) -> Duration {
        Duration::from_secs(self.began.time.saturating_sub(then)) + self.since.elapsed()
    }

    /// Records what a run has come to, in the audit and then in its journal, which is to tell others.
    pub(crate) fn end(&self, report: Report, mut journal: Journal<'_>) -> End {
        let mut entry = self.ended();
        for (name, outcome) in [
            ("ok", Outcome::Ok),
            ("changed", Outcome::Changed),
            ("reverted", Outcome::Reverted),
            ("skipped", Outcome::Skipped),
            ("failed", Outcome::Failed),
            ("not-run", Outcome::NotRun),
        ] {
            match report.count(outcome) {
                0 => {}
                count => entry = entry.with(name, count),
            }
        }
        let end = End::Report {
            run: self.began.run.clone(),
            report,
            undone: None,
            cancelled_by: journal.cancelled_by(),
        };
        let digest = journal.digest_with(&end);
        self.audit.note(&[entry.with("journal", digest.to_hex())]);
        let ended = journal.end(&end).or_else(|_| {
            self.audit.release();
            journal.end(&end)
        });
        // The run is over, whether its journal can say so or not.
        if let Err(why) = ended {
            tracing::error!("the end of the run cannot be recorded: {why}");
        }
        end
    }

    fn ended(&self) -> Entry {
        let kind = match self.began.kind {
            Kind::UndoBegan => Kind::UndoEnded,
            _ => Kind::RunEnded,
        };
        Entry {
            time: self.began.time + self.since.elapsed().as_secs(),
            kind,
            detail: std::collections::BTreeMap::new(),
            ..self.began.clone()
        }
    }
}

/// Names a config: BLAKE3 over its files and what its sources were resolved to; no secret is in it.
pub(crate) fn config_hash(request: &Request) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        let length = u64::try_from(bytes.len()).expect("a length");
        hasher.update(&length.to_be_bytes()).update(bytes);
    };
    for file in &request.files {
        add(file.name.as_bytes());
        add(file.text.as_bytes());
    }
    for (source, blob) in &request.sources {
        add(source.to_string().as_bytes());
        add(blob.hash.as_bytes());
    }
    hasher.finalize()
}
