//! What a run tells, shown as it is told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hpt_provisioner::plan::Plan;
use hpt_provisioner::report::{Event, Finished, Outcome, Report};

use crate::print::json;
use crate::print::report::{Lines, summary};
use crate::terminal::{Terminal, visible};

/// The last lines of a failed command that are shown.
const TAIL: usize = 20;
/// What of a command's output is kept for that, in bytes.
const KEPT: usize = 64 << 10;
/// Blocks that did not run are listed up to here, and counted beyond.
const NOT_RUN: usize = 5;

/// Shows what a run tells, as it tells it.
pub(crate) struct Follower<'a> {
    plan: &'a Plan,
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
}

impl<'a> Follower<'a> {
    pub(crate) fn new(
        name: &'a str,
        plan: &'a Plan,
        all: bool,
        verbose: bool,
        terminal: &'a mut Terminal,
    ) -> Self {
        let ids = plan
            .blocks
            .iter()
            .filter(|b| all || b.verdict.is_pending())
            .map(|b| b.id.as_str());
        let lines = Lines::new(name, ids);
        let (began, output) = (HashMap::new(), HashMap::new());
        Self {
            plan,
            all,
            verbose,
            lines,
            terminal,
            began,
            output,
            not_run: 0,
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        let (Event::Started { block }
        | Event::Output { block, .. }
        | Event::Note { block, .. }
        | Event::Finished(Finished { block, .. })) = event;
        let id = self.plan.blocks[*block].id.as_str();
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
            let planned = &self.plan.blocks[end.block];
            let place = format!("{}:{}", visible(&planned.file), planned.line);
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
        self.terminal
            .json(&json::Report::new(self.lines.target, run, report, time));
        self.terminal.say(format_args!(
            "\n{}",
            summary(self.lines.target, report, time)
        ));
    }
}
