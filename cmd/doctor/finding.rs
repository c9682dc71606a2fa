//! What the doctor has found: a line for each thing that was looked at, and what mends it.

use std::time::Duration;

use hpt_keystore::TargetName;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit, Problem};
use crate::print::style::{BOLD, CHANGED, CREATED, DIM, FAILED};
use crate::terminal::visible;

/// How wide the name of what was looked at is made.
const WIDTH: usize = 10;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// How one thing is that was looked at.
struct Finding {
    state: State,
    about: &'static str,
    words: String,
    /// What mends it; nothing where all is well.
    mend: String,
}

/// All that was found, in the order in which it was looked at.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

#[derive(Serialize)]
struct Object<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    state: State,
    about: &'a str,
    words: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mend: &'a str,
}

#[derive(Serialize)]
struct All<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    ok: usize,
    warn: usize,
    fail: usize,
    seconds: f64,
}

impl Findings {
    pub(super) fn ok(&mut self, about: &'static str, words: impl Into<String>) {
        self.add(State::Ok, about, words, "");
    }

    pub(super) fn warn(
        &mut self,
        about: &'static str,
        words: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(State::Warn, about, words, mend);
    }

    pub(super) fn fail(
        &mut self,
        about: &'static str,
        words: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(State::Fail, about, words, mend);
    }

    fn add(
        &mut self,
        state: State,
        about: &'static str,
        words: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.0.push(Finding {
            state,
            about,
            words: words.into(),
            mend: mend.into(),
        });
    }

    /// What another verb would have ended with.
    pub(super) fn failed(&mut self, about: &'static str, error: CommandError) {
        let mut mend = error.hints;
        let words = match error.problem {
            Problem::Words(words) => words,
            Problem::Faults { files, faults } => {
                let first = faults.first().expect("an error has a fault");
                mend.extend(first.hint.clone().or(first.label.clone()));
                let more = match faults.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                let at = first.place.as_ref().map_or(String::new(), |place| {
                    let file = &files[place.file];
                    let (line, column) = place.line_column(&file.text);
                    format!("{}:{line}:{column}: ", file.name)
                });
                format!("{at}{}{more}", first.what)
            }
        };
        self.fail(about, words, mend.join("; "));
    }

    fn count(&self, state: State) -> usize {
        let same = |finding: &&Finding| finding.state == state;
        self.0.iter().filter(same).count()
    }

    /// Tells all of it; of one of many targets, and with `-q`, what is not well alone.
    pub(super) fn tell(&self, of: &str, context: &mut Context, time: Duration) -> Exit {
        let target = context.global.target.clone();
        let target = target.as_ref().map(TargetName::as_str);
        let is_brief = context.global.quiet || context.member.is_some();
        for finding in &self.0 {
            if finding.state != State::Ok || !is_brief {
                context.terminal.say(finding.line());
            }
            context.terminal.json(&Object {
                event: "looked",
                target,
                state: finding.state,
                about: finding.about,
                words: &finding.words,
                mend: &finding.mend,
            });
        }
        let [ok, warn, fail] = [State::Ok, State::Warn, State::Fail].map(|s| self.count(s));
        if !is_brief {
            context.terminal.say("");
        }
        let failed = match fail {
            0 => "fail 0".to_owned(),
            fail => format!("{FAILED}fail {fail}{FAILED:#}"),
        };
        let line = format!("{BOLD}{of}{BOLD:#}  ok {ok}  warn {warn}  {failed}");
        context.terminal.conclude(&line, time);
        context.terminal.json(&All {
            event: "doctor",
            target,
            ok,
            warn,
            fail,
            seconds: time.as_secs_f64(),
        });
        if fail == 0 { Exit::Done } else { Exit::Failed }
    }
}

impl Finding {
    fn line(&self) -> String {
        let (state, style) = match self.state {
            State::Ok => ("ok", CREATED),
            State::Warn => ("warn", CHANGED),
            State::Fail => ("fail", FAILED),
        };
        // Some words are a target's.
        let one_line = |text: &str| {
            let lines: Vec<_> = text.lines().map(|line| visible(line.trim())).collect();
            lines.join("; ")
        };
        let words = one_line(&self.words);
        let line = format!("{style}{state:4}{style:#}  {:WIDTH$}  {words}", self.about);
        if self.mend.is_empty() {
            return line;
        }
        let mend = one_line(&self.mend);
        format!("{line}\n      {DIM}{:WIDTH$}{DIM:#}  {mend}", "mend")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_has_its_mend_beneath() {
        let mut found = Findings::default();
        found.ok("keystore", "client.db, 2 targets");
        found.warn("passphrase", "none", "`hpt passphrase` sets one");
        let error = CommandError::new(Exit::Config, "no")
            .hint("`a`")
            .hint("`b`");
        found.failed("inventory", error);
        let lines: Vec<_> = found.0.iter().map(Finding::line).collect();
        let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        let shown = "\
ok    keystore    client.db, 2 targets
warn  passphrase  none
      mend        `hpt passphrase` sets one
fail  inventory   no
      mend        `a`; `b`";
        assert_eq!(plain, shown);
    }
}
