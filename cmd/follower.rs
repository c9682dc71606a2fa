//! What a run tells, shown as it is told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use hpt_proto::{Begun, BlockName, End, Running, Undone};
use hpt_provisioner::plan::{Plan, Verdict};
use hpt_provisioner::report::{Event, Finished, Outcome, Report};

use crate::context::now;
use crate::error::{CommandError, Exit};
use crate::hearing::Heard;
use crate::print::report::{Lines, summary};
use crate::print::{json, listed, span};
use crate::terminal::{Terminal, visible};

/// The last lines of a failed command that are shown.
const TAIL: usize = 20;
/// What of a command's output is kept for that, in bytes.
const KEPT: usize = 64 << 10;
/// Blocks that did not run are listed up to here, and counted beyond.
const NOT_RUN: usize = 5;

/// What a run has come to.
pub(crate) struct Ended {
    pub(crate) run: String,
    pub(crate) report: Report,
    /// What became of it since, if nobody has confirmed it in time.
    pub(crate) undone: Option<Undone>,
    /// The client that had it stop.
    pub(crate) cancelled_by: Option<String>,
    /// How long it took.
    pub(crate) time: Duration,
}

impl Ended {
    /// After this time.
    ///
    /// # Errors
    /// An end of another sort, as it is.
    pub(crate) fn of(end: End, time: Duration) -> Result<Self, Box<End>> {
        match end {
            End::Report {
                run,
                report,
                undone,
                cancelled_by,
            } => Ok(Self {
                run,
                report,
                undone,
                cancelled_by,
                time,
            }),
            other => Err(Box::new(other)),
        }
    }
}

/// That a run ended as this hpt does not know.
pub(crate) fn no_report(name: &str) -> CommandError {
    let what = format!("{name} tells no report; is the hpt there of another version?");
    CommandError::new(Exit::Failed, what)
}

/// A moment of a run.
#[derive(Clone, Copy)]
struct Moment {
    /// By this machine's clock, which tells when it was heard.
    here: Instant,
    /// So long after the run began, if the run says so.
    there: Option<Duration>,
}

impl Moment {
    fn now(there: Option<Duration>) -> Self {
        let here = Instant::now();
        Self { here, there }
    }

    /// From this one to a later one.
    fn until(self, later: Self) -> Duration {
        match (self.there, later.there) {
            (Some(began), Some(ended)) => ended.saturating_sub(began),
            _ => later.here.duration_since(self.here),
        }
    }
}

/// Shows what a run tells, as it tells it.
pub(crate) struct Follower<'a> {
    blocks: Vec<BlockName>,
    all: bool,
    verbose: bool,
    lines: Lines<'a>,
    pub(crate) terminal: &'a mut Terminal,
    /// When blocks began, and whether they are one batch with others, whose time then says nothing about
    /// any of them.
    began: HashMap<usize, (Moment, bool)>,
    /// How long the run had gone on at the last event, if it says so.
    age: Option<Duration>,
    /// Whether the run undoes another.
    is_undo: bool,
    /// The last output of blocks that are not over yet.
    output: HashMap<usize, Vec<u8>>,
    not_run: usize,
    /// The blocks that left the config: the plan has said so.
    orphans: HashSet<usize>,
}

impl<'a> Follower<'a> {
    /// Of a run that brings this plan about.
    pub(crate) fn of_plan(
        name: &'a str,
        plan: &Plan,
        all: bool,
        verbose: bool,
        terminal: &'a mut Terminal,
    ) -> Self {
        let blocks = plan.blocks.iter().map(|planned| BlockName {
            id: planned.id.clone(),
            file: planned.file.clone(),
            line: planned.line,
        });
        let ids = plan
            .blocks
            .iter()
            .filter(|b| all || b.verdict.is_pending())
            .map(|b| b.id.as_str());
        let orphans = plan.blocks.iter().enumerate();
        let orphans = orphans.filter(|(_, planned)| planned.verdict == Verdict::Orphan);
        Self {
            blocks: blocks.collect(),
            all,
            verbose,
            lines: Lines::new(name, ids),
            terminal,
            began: HashMap::new(),
            age: None,
            is_undo: false,
            output: HashMap::new(),
            not_run: 0,
            orphans: orphans.map(|(index, _)| index).collect(),
        }
    }

    /// Of a run that others began; its blocks are known when it tells them.
    pub(crate) fn of_run(
        name: &'a str,
        all: bool,
        verbose: bool,
        terminal: &'a mut Terminal,
    ) -> Self {
        let plan = Plan::default();
        Self::of_plan(name, &plan, all, verbose, terminal)
    }

    pub(crate) fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Begun(begun) => self.begun(begun),
            Heard::Event(event, at) => self.event(event, Moment::now(*at)),
            Heard::Lost => self.terminal.note(format_args!(
                "the session with {} was lost, and the run goes on there; trying for a new one",
                self.lines.target
            )),
            Heard::Reboots => self.terminal.note(format_args!(
                "{} goes down; the run goes on when it is back",
                self.lines.target
            )),
            Heard::Found => self.terminal.note("there is a new one"),
            // Of many that is said once.
            Heard::Stops(Ok(())) if self.terminal.is_held() => {}
            Heard::Stops(Ok(())) => self.terminal.note(format_args!(
                "the run on {} stops before its next block; ^C again leaves it to itself",
                self.lines.target
            )),
            Heard::Stops(Err(why)) => self.terminal.note(format_args!(
                "the run on {} does not stop: {why}; ^C again leaves it to itself",
                self.lines.target
            )),
        }
    }

    /// How long the run had gone on at its last event, as it says; `None` if it does not.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.age
    }

    fn begun(&mut self, begun: &Begun) {
        self.is_undo = !begun.undoes.is_empty();
        self.terminal
            .json(&json::Begun::new(self.lines.target, begun));
        if self.blocks.is_empty() {
            let Running { run, by, since } = &begun.running;
            let since = span(now().saturating_sub(*since));
            let (run, by) = (visible(run), visible(by));
            self.terminal
                .say(format_args!("run {run} of {by}, begun {since} ago\n"));
            self.lines = Lines::new(
                self.lines.target,
                begun.blocks.iter().map(|b| b.id.as_str()),
            );
            self.blocks.clone_from(&begun.blocks);
        }
        if self.blocks != begun.blocks {
            // What left the config may be gone since it was planned.
            self.blocks.clone_from(&begun.blocks);
            self.orphans.clear();
        }
    }

    fn event(&mut self, event: &Event, now: Moment) {
        self.age = now.there.or(self.age);
        let (Event::Started { block }
        | Event::Output { block, .. }
        | Event::Note { block, .. }
        | Event::Finished(Finished { block, .. })) = event;
        let id = self.blocks[*block].id.clone();
        let id = id.as_str();
        match event {
            Event::Started { block } => {
                let shared = !self.began.is_empty();
                self.began
                    .values_mut()
                    .for_each(|(_, beside)| *beside = true);
                self.began.insert(*block, (now, shared));
                self.tell(id, event, now, None);
                self.terminal
                    .passing(format_args!("running  {}", visible(id)));
            }
            Event::Output { block, bytes, .. } => {
                self.tell(id, event, now, None);
                self.output(*block, bytes);
            }
            Event::Note { text, .. } => {
                self.tell(id, event, now, None);
                self.terminal.note(self.lines.note(id, text));
            }
            Event::Finished(end) => self.finished(id, end, event, now),
        }
    }

    fn tell(&mut self, id: &str, event: &Event, now: Moment, time: Option<Duration>) {
        let (target, at) = (self.lines.target, now.there);
        self.terminal
            .json(&json::Event::new(target, id, event, at, time));
    }

    /// Keeps the end of what a command writes; with `-v` its lines are shown at once.
    fn output(&mut self, block: usize, bytes: &[u8]) {
        let kept = self.output.entry(block).or_default();
        kept.extend_from_slice(bytes);
        if self.verbose {
            let whole = kept
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let rest = kept.split_off(whole);
            let lines = std::mem::replace(kept, rest);
            for line in lines
                .strip_suffix(b"\n")
                .map(|l| l.split(|b| *b == b'\n'))
                .into_iter()
                .flatten()
            {
                self.terminal.say(self.lines.output(line));
            }
        }
        let kept = self.output.entry(block).or_default();
        if kept.len() > KEPT {
            kept.drain(..kept.len() - KEPT / 2);
        }
    }

    fn finished(&mut self, id: &str, end: &Finished, event: &Event, now: Moment) {
        let began = self.began.remove(&end.block);
        let time = began
            .filter(|(_, shared)| !shared)
            .map(|(began, _)| began.until(now));
        self.tell(id, event, now, time);
        let output = self.output.remove(&end.block).unwrap_or_default();
        match end.outcome {
            Outcome::Ok if !self.all => return,
            Outcome::Skipped if !self.all && self.orphans.contains(&end.block) => return,
            Outcome::NotRun => {
                self.not_run += 1;
                if self.not_run > NOT_RUN && !self.all {
                    return;
                }
            }
            _ => {}
        }
        if end.outcome == Outcome::Failed || self.verbose {
            self.tail(&output);
        }
        // What many say alike is told once, and no two take the same time.
        let time = time.filter(|_| !self.terminal.is_held());
        self.terminal.say(self.lines.finished(id, end, time));
        if end.outcome == Outcome::Failed {
            let BlockName { file, line, .. } = &self.blocks[end.block];
            let place = format!("{}:{line}", visible(file));
            self.terminal.say(format_args!("         at {place}"));
        }
    }

    /// The last lines of what a command wrote.
    fn tail(&mut self, output: &[u8]) {
        let output = output.strip_suffix(b"\n").unwrap_or(output);
        if output.is_empty() {
            return;
        }
        let lines: Vec<_> = output.split(|byte| *byte == b'\n').collect();
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            self.terminal.say(self.lines.output(line));
        }
    }

    /// Says what the run has come to.
    pub(crate) fn finish(&mut self, ended: &Ended) {
        let rest = self.not_run.saturating_sub(NOT_RUN);
        if rest > 0 && !self.all {
            self.terminal.say(format_args!("not run  {rest} more"));
        }
        let by = ended.cancelled_by.as_deref();
        let summary = summary(self.lines.target, &self.counted(ended), by);
        if !self.terminal.is_held() {
            self.terminal.say("");
        }
        self.terminal.conclude(&summary, ended.time);
        let stays = self.stays(ended);
        if !stays.is_empty() {
            let stays = listed(stays.iter().map(|id| visible(id)));
            self.terminal.say(format_args!("not put back: {stays}"));
        }
    }

    /// The same for programs, and what has become of the run since.
    pub(crate) fn tell_end(&mut self, ended: &Ended) {
        let report = self.counted(ended);
        let stays = match &ended.undone {
            Some(undone) => undone.stays.clone(),
            None => self.stays(ended),
        };
        let mut object = json::Report::new(self.lines.target, &ended.run, &report, ended.time);
        object.undone_by = ended.undone.as_ref().map(|undone| undone.by.as_str());
        object.cancelled_by = ended.cancelled_by.as_deref();
        object.stays = stays;
        self.terminal.json(&object);
    }

    /// An orphan that stays is no block of the config.
    fn counted(&self, ended: &Ended) -> Report {
        let stays =
            |end: &Finished| end.outcome == Outcome::Skipped && self.orphans.contains(&end.block);
        let mut report = ended.report.clone();
        report.blocks.retain(|end| !stays(end));
        report
    }

    /// The ids of what an undo has not put back, or not wholly.
    fn stays(&self, ended: &Ended) -> Vec<String> {
        let is_back = |end: &Finished| matches!(end.outcome, Outcome::Reverted | Outcome::Ok);
        let blocks = self.blocks.iter().zip(&ended.report.blocks);
        let stays = blocks.filter(|(_, end)| self.is_undo && !is_back(end));
        stays.map(|(block, _)| block.id.clone()).collect()
    }
}
