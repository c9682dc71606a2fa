//! What a run tells, shown as it is told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use hpt_proto::{Begun, BlockName, Running};
use hpt_provisioner::plan::{Plan, Verdict};
use hpt_provisioner::report::{Event, Finished, Outcome, Report};

use crate::context::now;
use crate::print::report::{Lines, summary};
use crate::print::{json, span};
use crate::remote_run::Heard;
use crate::terminal::{Terminal, visible};

/// The last lines of a failed command that are shown.
const TAIL: usize = 20;
/// What of a command's output is kept for that, in bytes.
const KEPT: usize = 64 << 10;
/// Blocks that did not run are listed up to here, and counted beyond.
const NOT_RUN: usize = 5;

/// Shows what a run tells, as it tells it.
pub(crate) struct Follower<'a> {
    blocks: Vec<BlockName>,
    all: bool,
    verbose: bool,
    lines: Lines<'a>,
    pub(crate) terminal: &'a mut Terminal,
    /// When blocks began, by this machine's clock, and whether they are one batch with others, whose
    /// time then says nothing about any of them.
    began: HashMap<usize, (Instant, bool)>,
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
            Heard::Event(event) => self.event(event),
            Heard::Lost => self.terminal.note(format_args!(
                "the session with {} was lost, and the run goes on there; trying for a new one",
                self.lines.target
            )),
            Heard::Reboots => self.terminal.note(format_args!(
                "{} goes down; the run goes on when it is back",
                self.lines.target
            )),
            Heard::Found => self.terminal.note("there is a new one"),
        }
    }

    fn begun(&mut self, begun: &Begun) {
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

    fn event(&mut self, event: &Event) {
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
                self.began.insert(*block, (Instant::now(), shared));
                self.tell(id, event, None);
                self.terminal
                    .passing(format_args!("running  {}", visible(id)));
            }
            Event::Output { block, bytes, .. } => {
                self.tell(id, event, None);
                self.output(*block, bytes);
            }
            Event::Note { text, .. } => {
                self.tell(id, event, None);
                self.terminal.note(self.lines.note(id, text));
            }
            Event::Finished(end) => self.finished(id, end, event),
        }
    }

    fn tell(&mut self, id: &str, event: &Event, time: Option<Duration>) {
        self.terminal
            .json(&json::Event::new(self.lines.target, id, event, time));
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

    fn finished(&mut self, id: &str, end: &Finished, event: &Event) {
        let began = self.began.remove(&end.block);
        let time = began
            .filter(|(_, shared)| !shared)
            .map(|(began, _)| began.elapsed());
        self.tell(id, event, time);
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

    pub(crate) fn finish(&mut self, run: &str, report: &Report, time: Duration) {
        let rest = self.not_run.saturating_sub(NOT_RUN);
        if rest > 0 && !self.all {
            self.terminal.say(format_args!("not run  {rest} more"));
        }
        // An orphan that stays is no block of the config.
        let stays =
            |end: &Finished| end.outcome == Outcome::Skipped && self.orphans.contains(&end.block);
        let mut report = report.clone();
        report.blocks.retain(|end| !stays(end));
        self.terminal
            .json(&json::Report::new(self.lines.target, run, &report, time));
        self.terminal.say(format_args!(
            "\n{}",
            summary(self.lines.target, &report, time)
        ));
    }
}
