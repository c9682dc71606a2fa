//! The terminal: the two streams that people and programs read, and the one question.

mod filter;
mod held;

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use tokio::sync::oneshot;

use self::filter::ascii_controls;
pub(crate) use self::filter::{output_line, text_of, visible};
pub(crate) use self::held::{Held, Stream, Told};
use crate::print::style::{DIM, FAILED};
use crate::print::{plural, with_time};

/// As many targets are agreed to by a letter.
pub(crate) const FEW: usize = 10;

/// Where words and JSON go. Who has stopped reading is no reason to stop a run, so that a broken
/// pipe is not an error here.
pub(crate) struct Terminal {
    form: Form,
    quiet: bool,
    /// A line on stderr that the next words replace.
    passing: bool,
    /// Why not all results could be written.
    lost: Option<io::Error>,
    /// What one of many targets has to say is told together with what the others have.
    held: Option<Held>,
}

/// For whom stdout is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Words,
    /// For programs: one JSON object a line, and nothing else.
    Json,
}

impl Terminal {
    pub(crate) fn new(form: Form, quiet: bool) -> Self {
        Self {
            form,
            quiet,
            passing: false,
            lost: None,
            held: None,
        }
    }

    /// For one of many targets: words are kept, what programs read is told at once.
    pub(crate) fn holding(form: Form, quiet: bool, held: Held) -> Self {
        Self {
            held: Some(held),
            ..Self::new(form, quiet)
        }
    }

    /// What was kept since this was asked last.
    pub(crate) fn take_held(&mut self) -> Told {
        self.held.as_mut().map(Held::take).unwrap_or_default()
    }

    /// Whether words are kept.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Results: on stdout, unless that is for programs.
    pub(crate) fn say(&mut self, words: impl Display) {
        if self.form == Form::Words {
            if let Some(held) = &mut self.held {
                return held.keep(Stream::Out, words);
            }
            self.settle();
            let mut out = AutoStream::new(io::stdout().lock(), choice(&io::stdout()));
            let written = writeln!(out, "{words}").and_then(|()| out.flush());
            self.keep_failure(written);
        }
    }

    /// One line about what all has come to, with the time at its right end.
    pub(crate) fn conclude(&mut self, line: &str, time: Duration) {
        match &mut self.held {
            Some(held) => held.conclude(with_time(line, time)),
            None => self.say(with_time(line, time)),
        }
    }

    /// A result for programs, on a line of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        if self.form == Form::Json {
            self.settle();
            let text = serde_json::to_string(value).expect("plain values become JSON");
            let mut out = io::stdout().lock();
            let line = ascii_controls(&text);
            let written = writeln!(out, "{line}").and_then(|()| out.flush());
            self.keep_failure(written);
        }
    }

    fn keep_failure(&mut self, written: io::Result<()>) {
        if let Err(why) = written
            && why.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.get_or_insert(why);
        }
    }

    /// Why not all results could be written, if they could not.
    pub(crate) fn lost(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// What is good to know, on stderr; not with `-q`.
    pub(crate) fn note(&mut self, words: impl Display) {
        if !self.quiet {
            self.complain(words);
        }
    }

    /// An error, on stderr.
    pub(crate) fn error(&mut self, words: impl Display) {
        self.complain(format_args!("{FAILED}error{FAILED:#}: {words}"));
    }

    /// Words on stderr as they are.
    pub(crate) fn complain(&mut self, words: impl Display) {
        if let Some(held) = &mut self.held {
            return held.keep(Stream::Err, words);
        }
        self.settle();
        let mut err = AutoStream::new(io::stderr().lock(), choice(&io::stderr()));
        let _ = writeln!(err, "{words}");
    }

    /// What goes on just now: a line on a terminal that does not stay, nothing elsewhere.
    pub(crate) fn passing(&mut self, words: impl Display) {
        if let Some(held) = &self.held {
            return held.pass(words);
        }
        if self.form == Form::Words && !self.quiet && io::stderr().is_terminal() {
            let mut err = AutoStream::new(io::stderr().lock(), choice(&io::stderr()));
            let _ = write!(err, "\r\x1b[2K{DIM}{words}{DIM:#}").and_then(|()| err.flush());
            self.passing = true;
        }
    }

    /// Takes the passing line away.
    fn settle(&mut self) {
        if std::mem::take(&mut self.passing) {
            let mut err = io::stderr().lock();
            let _ = err.write_all(b"\r\x1b[2K").and_then(|()| err.flush());
        }
    }

    /// Whether somebody is there who can answer.
    pub(crate) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A question on stderr that only `y` or `yes` affirms.
    pub(crate) fn ask(&mut self, question: impl Display) -> bool {
        self.put(format_args!("{question} [y/N] "));
        affirms(&typed())
    }

    /// The same of so many targets. Of more than a few nobody agrees in passing.
    pub(crate) async fn ask_for_all(&mut self, question: &str, count: usize) -> bool {
        if count <= FEW {
            let all = plural(count, "target");
            self.put(format_args!("\n{question} {all}? [y/N] "));
            return affirms(&typed_meanwhile().await);
        }
        self.put(format_args!(
            "\n{question} {count} targets? Type their number to go on: "
        ));
        typed_meanwhile().await == count.to_string()
    }

    /// A question; the answer is typed behind it.
    fn put(&mut self, question: impl Display) {
        self.settle();
        let mut err = AutoStream::new(io::stderr().lock(), choice(&io::stderr()));
        let _ = write!(err, "{question}").and_then(|()| err.flush());
    }
}

/// The line that somebody types next; empty if nobody does.
fn typed() -> String {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_or_else(|_| String::new(), |_| line.trim().to_owned())
}

/// The same, while signals are heard. Reading cannot be broken off: its thread stays behind when nobody
/// waits any more, and ends with the process.
async fn typed_meanwhile() -> String {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || tell.send(typed()));
    told.await.unwrap_or_default()
}

fn affirms(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Colour where a person reads it: a terminal, without `NO_COLOR` or `TERM=dumb`.
fn choice(stream: &impl anstream::stream::RawStream) -> ColorChoice {
    AutoStream::choice(stream)
}
