//! Sources that misbehave are shut out for a while, as OpenSSH does it (C3).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::source::Source;

/// What an offence costs a source. Costs add up, and act once they reach `threshold`.
#[derive(Clone, Copy, Debug)]
pub struct Penalties {
    /// It made a task of ours panic.
    pub crash: Duration,
    /// It did not authenticate before the deadline.
    pub late: Duration,
    /// It tried to authenticate and failed.
    pub failed: Duration,
    /// It left without trying.
    pub silent: Duration,
    /// What must have added up before a source is shut out.
    pub threshold: Duration,
    /// The longest that a source is shut out.
    pub cap: Duration,
}

impl Default for Penalties {
    fn default() -> Self {
        Self {
            crash: Duration::from_secs(90),
            late: Duration::from_secs(10),
            failed: Duration::from_secs(5),
            silent: Duration::from_secs(1),
            threshold: Duration::from_secs(15),
            cap: Duration::from_mins(10),
        }
    }
}

impl Penalties {
    /// Nothing costs anything, for tests that are their own flood.
    pub const OFF: Self = Self {
        crash: Duration::ZERO,
        late: Duration::ZERO,
        failed: Duration::ZERO,
        silent: Duration::ZERO,
        threshold: Duration::MAX,
        cap: Duration::ZERO,
    };
}

/// What a source did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    Crash,
    Late,
    Failed,
    Silent,
}

/// The most sources on record; beyond that new offenders go free rather than memory grow.
const MOST: usize = 65_536;

/// The record of offences.
pub(crate) struct Record {
    penalties: Penalties,
    sources: HashMap<Source, Entry>,
    swept: Option<Instant>,
}

struct Entry {
    until: Instant,
    shut_out: bool,
}

impl Record {
    pub(crate) fn new(penalties: Penalties) -> Self {
        Self {
            penalties,
            sources: HashMap::new(),
            swept: None,
        }
    }

    pub(crate) fn shuts_out(&self, source: Source, now: Instant) -> bool {
        self.sources
            .get(&source)
            .is_some_and(|entry| entry.shut_out && now < entry.until)
    }

    pub(crate) fn punish(&mut self, source: Source, offence: Offence, now: Instant) {
        let cost = match offence {
            Offence::Crash => self.penalties.crash,
            Offence::Late => self.penalties.late,
            Offence::Failed => self.penalties.failed,
            Offence::Silent => self.penalties.silent,
        };
        if cost.is_zero() || !self.has_room_for(source, now) {
            return;
        }
        let entry = self.sources.entry(source).or_insert(Entry {
            until: now,
            shut_out: false,
        });
        if entry.until <= now {
            *entry = Entry {
                until: now,
                shut_out: false,
            };
        }
        entry.until = (entry.until + cost).min(now + self.penalties.cap);
        // A second that has begun counts whole: three quick failures of 5 s do reach 15 s.
        let owed = (entry.until - now).as_secs_f64().ceil();
        entry.shut_out |= owed >= self.penalties.threshold.as_secs_f64();
    }

    /// Sweeps what has lapsed once the table is full, at most once a second.
    fn has_room_for(&mut self, source: Source, now: Instant) -> bool {
        let full = self.sources.len() >= MOST;
        let swept_lately = self
            .swept
            .is_some_and(|swept| now - swept < Duration::from_secs(1));
        if full && !swept_lately {
            self.sources.retain(|_, entry| now < entry.until);
            self.swept = Some(now);
        }
        self.sources.len() < MOST || self.sources.contains_key(&source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Source = Source::V4([192, 0, 2, 1]);
    const GOOD: Source = Source::V4([192, 0, 2, 2]);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test]
    async fn three_failures_shut_out_their_source_alone() {
        let now = Instant::now();
        let mut record = Record::new(Penalties::default());
        for _ in 0..2 {
            record.punish(BAD, Offence::Failed, now);
        }
        assert!(!record.shuts_out(BAD, now));
        let now = now + Duration::from_millis(30);
        record.punish(BAD, Offence::Failed, now);
        assert!(record.shuts_out(BAD, now));
        assert!(!record.shuts_out(GOOD, now));
        assert!(record.shuts_out(BAD, now + seconds(14)));
        assert!(!record.shuts_out(BAD, now + seconds(15)));
    }

    #[tokio::test]
    async fn a_penalty_is_capped_and_lapses() {
        let now = Instant::now();
        let mut record = Record::new(Penalties::default());
        for _ in 0..100 {
            record.punish(BAD, Offence::Crash, now);
        }
        assert!(record.shuts_out(BAD, now + seconds(599)));
        assert!(!record.shuts_out(BAD, now + seconds(600)));
        record.punish(BAD, Offence::Failed, now + seconds(601));
        assert!(!record.shuts_out(BAD, now + seconds(601)), "it starts anew");
    }

    #[tokio::test]
    async fn a_million_sources_do_not_grow_the_table() {
        let now = Instant::now();
        let mut record = Record::new(Penalties::default());
        for n in 0..1_000_000_u32 {
            record.punish(Source::V4(n.to_be_bytes()), Offence::Crash, now);
        }
        assert_eq!(record.sources.len(), MOST);
        let later = now + seconds(100);
        record.punish(BAD, Offence::Crash, later);
        assert!(record.shuts_out(BAD, later), "what lapsed has made room");
        assert_eq!(record.sources.len(), 1);
    }
}
