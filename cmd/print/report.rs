//! A run, as a person follows it: one line for each block that was not simply in place.

use std::time::Duration;

use anstyle::Style;
use hpt_provisioner::report::{Finished, Outcome, Report};

use super::style::{BOLD, CHANGED, DIM, FAILED};
use super::with_time;
use crate::terminal::{output_line, visible};

/// What took less is not worth its time.
const BRIEF: Duration = Duration::from_millis(100);

/// The widest column of ids.
const ID: usize = 44;

/// The lines of a run about one target.
pub(crate) struct Lines<'a> {
    /// The target, as its output is marked.
    pub(crate) target: &'a str,
    /// How wide the column of ids is.
    column: usize,
}

impl<'a> Lines<'a> {
    /// For a plan whose blocks have these ids.
    pub(crate) fn new<'i>(target: &'a str, ids: impl Iterator<Item = &'i str>) -> Self {
        let widths = ids
            .map(|id| visible(id).chars().count())
            .filter(|&n| n <= ID);
        Self {
            target,
            column: widths.max().unwrap_or_default().max(20),
        }
    }

    /// `changed  package:nginx   installed 1.22.1-9   2.1 s`; what a failed tool said in more lines
    /// stands below, set in.
    pub(crate) fn finished(&self, id: &str, end: &Finished, time: Option<Duration>) -> String {
        let (word, style) = word(end.outcome);
        let (note, more) = end.note.split_once('\n').unwrap_or((&end.note, ""));
        let (id, note, column) = (visible(id), visible(note), self.column);
        let mut line = format!("{style}{word:8}{style:#} {id:column$}  {note}");
        if end.outcome == Outcome::Failed
            && let Some(code) = end.exit.filter(|_| note.is_empty())
        {
            line += &format!("exited with {code}");
        }
        let line = line.trim_end();
        let mut line = match time.filter(|time| *time >= BRIEF) {
            Some(time) => with_time(line, time),
            None => line.to_owned(),
        };
        for said in more.lines() {
            line += &format!("\n{:9}{}", "", visible(said));
        }
        line
    }

    /// A line of a command's output. Nothing that hpt says of itself begins so, whatever the
    /// command wrote.
    pub(crate) fn output(&self, line: &[u8]) -> String {
        format!("{DIM}{} |{DIM:#} {}", self.target, output_line(line))
    }

    /// A word for whoever waits.
    pub(crate) fn note(&self, id: &str, words: &str) -> String {
        let column = self.column;
        format!(
            "{DIM}{:8} {:column$}  {}{DIM:#}",
            "waits",
            visible(id),
            visible(words)
        )
    }
}

fn word(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ok => ("in place", DIM),
        Outcome::Changed => ("changed", CHANGED),
        Outcome::Skipped => ("skipped", DIM),
        Outcome::Failed => ("failed", FAILED),
        Outcome::NotRun => ("not run", DIM),
        Outcome::Reverted => ("reverted", CHANGED),
    }
}

/// `web1  changed 3  in place 17  skipped 1  failed 0`, and who had the run stop.
pub(crate) fn summary(target: &str, report: &Report, cancelled_by: Option<&str>) -> String {
    let mut line = format!("{BOLD}{target}{BOLD:#}");
    let all = [
        ("changed", Outcome::Changed, true),
        ("in place", Outcome::Ok, true),
        ("skipped", Outcome::Skipped, false),
        ("failed", Outcome::Failed, true),
        ("not run", Outcome::NotRun, false),
        ("reverted", Outcome::Reverted, false),
    ];
    for (word, outcome, always) in all {
        let count = report.count(outcome);
        if count > 0 || always {
            let style = if outcome == Outcome::Failed && count > 0 {
                FAILED
            } else {
                Style::new()
            };
            line += &format!("  {style}{word} {count}{style:#}");
        }
    }
    if let Some(by) = cancelled_by {
        line += &format!("  {FAILED}cancelled by {}{FAILED:#}", visible(by));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn end(outcome: Outcome, note: &str) -> Finished {
        Finished {
            block: 0,
            outcome,
            note: note.into(),
            exit: None,
        }
    }

    #[test]
    fn a_run_reads_as_the_design_shows_it() {
        let ids = ["package:nginx", "file:/etc/nginx/conf.d/app.conf"];
        let lines = Lines::new("web1", ids.into_iter());
        let time = Some(Duration::from_millis(2100));
        let line = lines.finished(ids[0], &end(Outcome::Changed, "installed 1.22.1-9"), time);
        let expected =
            "changed  package:nginx                    installed 1.22.1-9               2.1 s";
        assert_eq!(plain(&line), expected);
        let line = lines.finished(ids[1], &end(Outcome::Changed, ""), None);
        assert_eq!(plain(&line), "changed  file:/etc/nginx/conf.d/app.conf");
        let line = lines.finished(
            ids[0],
            &end(Outcome::Failed, "apt exited with 100:\nE: no\x1b[2J"),
            None,
        );
        let below = plain(&line).lines().nth(1).map(str::to_owned);
        assert_eq!(below.as_deref(), Some("         E: no\\x1b[2J"));
        let outcomes = [Outcome::Changed, Outcome::Ok, Outcome::Ok, Outcome::Skipped];
        let blocks = outcomes.map(|outcome| end(outcome, "")).to_vec();
        let line = plain(&summary(
            "web1",
            &Report {
                blocks,
                reverted: false,
            },
            None,
        ));
        assert_eq!(line, "web1  changed 1  in place 2  skipped 1  failed 0");
    }

    /// T-1: output that pretends to be hpt's own words does not begin as they do.
    #[test]
    fn output_cannot_pass_for_a_report() {
        let lines = Lines::new("web1", ["exec:x"].into_iter());
        let shown = plain(&lines.output(b"web1  changed 0  in place 17  failed 0\r"));
        assert_eq!(shown, "web1 | web1  changed 0  in place 17  failed 0");
    }
}
