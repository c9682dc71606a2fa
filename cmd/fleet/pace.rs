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

    /// Begin no more when so many have failed: N or N%
    #[arg(long, global = true, value_name = "N|N%", value_parser = Share::from_str, help_heading = "Where")]
    pub(crate) max_fail: Option<Share>,
}

/// Who may begin.
pub(super) struct Pace {
    /// Of how many.
    all: usize,
    /// The batches that are left; the last comes again and again.
    batches: Vec<Share>,
    /// How many may have begun by now.
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
    /// At least one, unless it is none of them.
    fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (all * percent).div_ceil(100),
        }
    }
}

impl Pace {
    pub(super) fn new(options: &Options, all: usize) -> Self {
        let mut batches = options.batch.clone();
        batches.reverse();
        let mut this = Self {
            all,
            batches,
            open: 0,
            begun: 0,
            ended: 0,
            failed: 0,
            stopped: false,
            most: options.max_fail.map(|most| match most {
                Share::Count(count) => count,
                // A part of a target is none.
                Share::Percent(percent) => all * percent / 100,
            }),
        };
        this.open_next();
        this
    }

    /// Those that wait begin anew, batch by batch.
    pub(super) fn begin(&mut self, all: usize) {
        (self.begun, self.ended, self.open) = (0, 0, 0);
        self.all = all;
        self.open_next();
    }

    fn open_next(&mut self) {
        let next = match self.batches.len() {
            0 => self.all,
            1 => self.batches[0].of(self.all),
            _ => self.batches.pop().map_or(0, |next| next.of(self.all)),
        };
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
