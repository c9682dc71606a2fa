//! How many targets go first, and when there are too many failures to go on.

use std::str::FromStr;

use crate::error::Exit;

/// So many, or so much of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(usize),
}

/// How it is said on the command line.
#[derive(clap::Args, Clone, Default)]
#[group(id = "pace")]
pub(crate) struct Options {
    /// First so many, then so many, until all are done: 1,10%,100%
    #[arg(long, global = true, value_name = "N,N%", value_delimiter = ',', value_parser = step, help_heading = "Where")]
    pub(crate) batch: Vec<Share>,

    /// Begin no more when more than so many have failed: N or N%
    #[arg(long, global = true, value_name = "N|N%", value_parser = Share::from_str, help_heading = "Where")]
    pub(crate) max_fail: Option<Share>,
}

/// Who may begin.
pub(super) struct Pace {
    /// Of how many.
    all: usize,
    /// The batches; the last comes again and again.
    batches: Vec<Share>,
    /// How many of them have been begun.
    opened: usize,
    /// How many targets may have begun by now.
    open: usize,
    begun: usize,
    ended: usize,
    failed: usize,
    most: Option<usize>,
    stopped: bool,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| "write 5 or 10%".to_owned());
        match text.strip_suffix('%') {
            None => number(text).map(Self::Count),
            Some(text) => match number(text)? {
                percent @ 0..=100 => Ok(Self::Percent(percent)),
                _ => Err("there are 100% at most".to_owned()),
            },
        }
    }
}

/// A batch of nobody would last for ever.
fn step(text: &str) -> Result<Share, String> {
    match text.parse()? {
        Share::Count(0) | Share::Percent(0) => Err("a batch has one target at least".to_owned()),
        share => Ok(share),
    }
}

impl Share {
    /// How many of all that is; a part of a target is a target.
    fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (all * percent).div_ceil(100),
        }
    }
}

impl Pace {
    /// All may begin.
    pub(super) fn free(options: &Options, all: usize) -> Self {
        Self {
            all,
            batches: Vec::new(),
            opened: 0,
            open: all,
            begun: 0,
            ended: 0,
            failed: 0,
            most: options.max_fail.map(|most| match most {
                Share::Count(count) => count,
                // A part of a target is none.
                Share::Percent(percent) => all * percent / 100,
            }),
            stopped: false,
        }
    }

    /// So many begin from here on, batch by batch.
    pub(super) fn begin(&mut self, options: &Options, all: usize) {
        self.batches.clone_from(&options.batch);
        (self.opened, self.open, self.begun, self.ended) = (0, 0, 0, 0);
        self.all = all;
        self.open_next();
    }

    fn open_next(&mut self) {
        let last = self.batches.len().saturating_sub(1);
        let next = self.batches.get(self.opened.min(last));
        let next = next.map_or(self.all, |next| next.of(self.all));
        self.opened += 1;
        self.open = self.open.saturating_add(next.max(1));
    }

    /// Whether one more may begin.
    pub(super) fn may_start(&mut self) -> bool {
        if self.is_stopped() {
            return false;
        }
        if self.begun == self.open && self.ended == self.begun {
            self.open_next();
        }
        self.begun < self.open
    }

    pub(super) fn start(&mut self) {
        self.begun += 1;
    }

    /// One waits for an answer, and holds up nobody.
    pub(super) fn wait(&mut self) {
        self.ended += 1;
    }

    /// One has ended, or was left alone.
    pub(super) fn end(&mut self, exit: Option<Exit>) {
        self.ended += 1;
        self.failed += usize::from(!matches!(exit, Some(Exit::Done | Exit::Pending) | None));
    }

    /// Nobody begins any more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether too many have failed, or somebody wants no more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped || self.most.is_some_and(|most| self.failed > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(batch: &str, most: Option<&str>) -> Options {
        Options {
            batch: batch
                .split_terminator(',')
                .map(|text| step(text).unwrap())
                .collect(),
            max_fail: most.map(|text| text.parse().unwrap()),
        }
    }

    /// As many as begin at once, until all have.
    fn batches(batch: &str, all: usize) -> Vec<usize> {
        let mut pace = Pace::free(&options(batch, None), all);
        pace.begin(&options(batch, None), all);
        let (mut left, mut sizes) = (all, Vec::new());
        while left > 0 {
            let mut size = 0;
            while left > 0 && pace.may_start() {
                pace.start();
                (left, size) = (left - 1, size + 1);
            }
            (0..size).for_each(|_| pace.end(Some(Exit::Done)));
            sizes.push(size);
        }
        sizes
    }

    #[test]
    fn batches_are_as_large_as_they_are_said_to_be() {
        assert_eq!(batches("", 7), [7]);
        assert_eq!(batches("1,10%,100%", 42), [1, 5, 36]);
        assert_eq!(batches("1,2", 7), [1, 2, 2, 2]);
        assert_eq!(batches("50%", 3), [2, 1]);
        assert_eq!(batches("1%", 3), [1, 1, 1]);
        assert_eq!(batches("9", 3), [3]);
        for bad in ["0", "0%", "101%", "x", "-1", "1.5", "%"] {
            assert!(step(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn too_many_failures_stop_the_rest() {
        for (most, all, stops_at) in [("0", 10, 1), ("2", 10, 3), ("25%", 10, 3), ("10%", 5, 1)] {
            let mut pace = Pace::free(&options("", Some(most)), all);
            for failed in 1..=stops_at {
                assert!(!pace.is_stopped() && pace.may_start(), "{most} {failed}");
                pace.start();
                pace.end(Some(Exit::Unreachable));
            }
            assert!(pace.is_stopped() && !pace.may_start(), "{most}");
        }
        let mut pace = Pace::free(&options("", None), 2);
        for _ in 0..2 {
            pace.start();
            pace.end(Some(Exit::Failed));
        }
        assert!(!pace.is_stopped());
    }
}
