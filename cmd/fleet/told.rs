//! What many targets have said, told together: a line for each, the same words once, and what all of
//! it comes to.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use hpt_keystore::TargetName;
use serde::Serialize;

use super::member::{Ended, Question};
use crate::error::Exit;
use crate::print::style::{BOLD, FAILED};
use crate::print::{listed_up_to, plural};
use crate::terminal::{Stream, Terminal, Told};

/// As many names stand above words that several have said, and of those that are at work.
const NAMED: usize = 5;
const AT_WORK: usize = 4;

/// How a target has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Done,
    Pending,
    Declined,
    NotRun,
    Busy,
    NotAllowed,
    Reverted,
    InDoubt,
    Lost,
    Unreachable,
    Failed,
}

impl State {
    fn of(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::Done,
            Exit::Pending => Self::Pending,
            Exit::NotAllowed => Self::NotAllowed,
            Exit::Unreachable => Self::Unreachable,
            Exit::Busy => Self::Busy,
            Exit::Lost => Self::Lost,
            Exit::Reverted => Self::Reverted,
            Exit::InDoubt => Self::InDoubt,
            Exit::Failed | Exit::Config | Exit::Keystore | Exit::Usage | Exit::Bug => Self::Failed,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Declined => "declined",
            Self::NotRun => "not run",
            Self::Busy => "busy",
            Self::NotAllowed => "not allowed",
            Self::Reverted => "reverted",
            Self::InDoubt => "in doubt",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Pending | Self::Declined)
    }
}

/// Words that some targets have said alike.
struct Group {
    words: Vec<(Stream, String)>,
    names: Vec<String>,
    is_good: bool,
}

/// What all of them have said.
pub(super) struct Telling {
    all: usize,
    states: BTreeMap<String, (State, Exit)>,
    groups: Vec<Group>,
    by_words: HashMap<Vec<(Stream, String)>, usize>,
    /// Those at work, and what goes on there.
    at_work: Vec<(TargetName, Rc<RefCell<String>>)>,
}

#[derive(Serialize)]
struct OfOne<'a> {
    event: &'static str,
    target: &'a str,
    state: State,
    exit: u8,
    seconds: f64,
}

#[derive(Serialize)]
struct OfAll {
    event: &'static str,
    targets: usize,
    states: BTreeMap<State, usize>,
    seconds: f64,
}

impl Telling {
    pub(super) fn new(all: usize) -> Self {
        Self {
            all,
            states: BTreeMap::new(),
            groups: Vec::new(),
            by_words: HashMap::new(),
            at_work: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, name: &TargetName, passing: Rc<RefCell<String>>) {
        self.at_work.push((name.clone(), passing));
    }

    /// Those that have not ended.
    pub(super) fn at_work(&self) -> Vec<TargetName> {
        self.at_work.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A target waits for somebody to agree to what it has said.
    pub(super) fn hear(&mut self, question: &Question, terminal: &mut Terminal) {
        self.say(question.name.as_str(), &question.told, true, terminal);
    }

    /// A target that has not ended yet will come to this, whatever its verb says.
    pub(super) fn settle(&mut self, name: &TargetName, state: State) {
        let exit = if state.is_good() {
            Exit::Done
        } else {
            Exit::Failed
        };
        self.states.insert(name.to_string(), (state, exit));
    }

    pub(super) fn end(&mut self, ended: Ended, terminal: &mut Terminal) {
        let Ended {
            name,
            exit,
            mut told,
            time,
        } = ended;
        let name = name.as_str();
        self.at_work.retain(|(other, _)| other.as_str() != name);
        let ended = match exit {
            Some(exit) => (State::of(exit), exit),
            None => (State::NotRun, Exit::Failed),
        };
        let (state, exit) = *self.states.entry(name.to_owned()).or_insert(ended);
        if told.line.is_empty() && !state.is_good() {
            told.line = format!("{BOLD}{name}{BOLD:#}  {FAILED}{}{FAILED:#}", state.words());
        }
        self.say(name, &told, state.is_good(), terminal);
        terminal.json(&OfOne {
            event: "ended",
            target: name,
            state,
            exit: exit.code(),
            seconds: time.as_secs_f64(),
        });
    }

    fn say(&mut self, name: &str, told: &Told, is_good: bool, terminal: &mut Terminal) {
        if !told.line.is_empty() {
            terminal.say(&told.line);
        }
        let own = |(stream, words): &(Stream, String)| {
            // Who says it stands above it.
            let words = words.replace(&format!("{name}: "), "");
            let is_said = !words.trim().is_empty();
            is_said.then_some((*stream, words))
        };
        let words: Vec<_> = told.words.iter().filter_map(own).collect();
        if words.is_empty() {
            return;
        }
        let at = *self.by_words.entry(words.clone()).or_insert_with(|| {
            let names = Vec::new();
            self.groups.push(Group {
                words,
                names,
                is_good,
            });
            self.groups.len() - 1
        });
        self.groups[at].names.push(name.to_owned());
    }

    /// Tells what was said and not told yet, what is good first: the last words are read best.
    pub(super) fn tell(&mut self, terminal: &mut Terminal) {
        self.by_words.clear();
        let mut groups = std::mem::take(&mut self.groups);
        groups.sort_by_key(|group| (!group.is_good, std::cmp::Reverse(group.names.len())));
        for Group {
            words, mut names, ..
        } in groups
        {
            names.sort_by(|a, b| super::select::naturally(a, b));
            let count = match names.len() {
                1 => String::new(),
                count => format!(" ({count} targets)"),
            };
            let names = listed_up_to(NAMED, &names);
            let heading = format!("\n{BOLD}{names}{BOLD:#}{count}");
            let stream = words.first().map_or(Stream::Out, |(stream, _)| *stream);
            for (stream, words) in [(stream, heading)].into_iter().chain(words) {
                match stream {
                    Stream::Out => terminal.say(words),
                    Stream::Err => terminal.complain(words),
                }
            }
        }
    }

    /// Shows what goes on.
    pub(super) fn show(&self, terminal: &mut Terminal) {
        let names: Vec<&str> = self.at_work.iter().map(|(name, _)| name.as_str()).collect();
        let done = self.states.len();
        let words = match &self.at_work[..] {
            [] => return,
            [(name, passing)] => format!("{name}  {}", passing.borrow()),
            _ => format!("at work: {}", listed_up_to(AT_WORK, &names)),
        };
        terminal.passing(format_args!("{done} of {} done  {words}", self.all));
    }

    /// Tells the rest, and what all of it comes to.
    pub(super) fn finish(&mut self, time: Duration, terminal: &mut Terminal) -> Exit {
        self.tell(terminal);
        let mut states: BTreeMap<State, usize> = BTreeMap::new();
        for (state, _) in self.states.values() {
            *states.entry(*state).or_default() += 1;
        }
        let mut line = format!("{BOLD}{}{BOLD:#}", plural(self.all, "target"));
        for (state, count) in &states {
            let words = state.words();
            line += &if state.is_good() {
                format!("  {words} {count}")
            } else {
                format!("  {FAILED}{words} {count}{FAILED:#}")
            };
        }
        if !terminal.is_json() {
            terminal.say("");
            terminal.conclude(&line, time);
        }
        terminal.json(&OfAll {
            event: "all-ended",
            targets: self.all,
            states,
            seconds: time.as_secs_f64(),
        });
        self.exit()
    }

    /// Those that are not done, in the order of their names.
    pub(super) fn not_done(&self) -> Vec<&str> {
        let states = self.states.iter();
        let left = states.filter(|(_, (state, _))| !state.is_good());
        let mut left: Vec<&str> = left.map(|(name, _)| name.as_str()).collect();
        left.sort_by(|a, b| super::select::naturally(a, b));
        left
    }

    /// What all have in common; several kinds of failure are one of their own.
    fn exit(&self) -> Exit {
        let mut exits = self.states.values().map(|(_, exit)| *exit);
        let Some(first) = exits.next() else {
            return Exit::Done;
        };
        exits.fold(first, |all, exit| match (all, exit) {
            (all, exit) if all == exit => all,
            (Exit::Done, Exit::Pending) | (Exit::Pending, Exit::Done) => Exit::Pending,
            _ => Exit::Failed,
        })
    }
}
