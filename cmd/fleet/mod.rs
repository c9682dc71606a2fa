//! Many targets at once: each goes its own way, and all of them are told together.

mod again;
mod member;
mod pace;
mod select;
mod told;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

pub(crate) use self::again::Again;
pub(crate) use self::member::Member;
use self::member::{Ended, Question, Stop};
pub(crate) use self::pace::Options as PaceOptions;
use self::pace::Pace;
use self::told::{State, Telling};
use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::interrupts::Interrupts;
use crate::print::error::show;
use crate::print::listed_up_to;
use crate::terminal::{FEW, Held, Terminal, Told};

/// As many names are told.
const NAMED: usize = 5;
/// From one look at what goes on to the next.
const TICK: Duration = Duration::from_millis(100);

/// How long those have that are left to themselves, to say where they are.
const GRACE: Duration = Duration::from_secs(2);

/// What is done with targets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// They are asked something, or it shows otherwise who was not done.
    Reads,
    /// They are changed, as soon as somebody has agreed to this if there are more than a few: "Upgrade".
    Changes(Option<&'static str>),
    /// They are changed if somebody agrees: once, when all that is to be done is known. The question
    /// begins so: "Apply to".
    ChangesIfAgreed(&'static str),
}

impl Work {
    /// They are changed as the command line says, on that question.
    pub(crate) fn changes(question: &'static str, yes: bool) -> Self {
        let asks = !yes && Terminal::can_ask();
        Self::Changes(asks.then_some(question))
    }

    /// They are changed as it turns out, on that question.
    pub(crate) fn changes_if_agreed(question: &'static str, yes: bool) -> Self {
        if yes || !Terminal::can_ask() {
            return Self::Changes(None);
        }
        Self::ChangesIfAgreed(question)
    }
}

/// Does this on the target that the command line names, or on this machine; or on each of the targets
/// that a pattern means. The configs say where else to look for an inventory.
pub(crate) fn each(
    context: &mut Context,
    configs: &[PathBuf],
    work: Work,
    act: impl AsyncFn(&mut Context) -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    if context.global.on.is_some() || context.global.target.is_some() {
        context.known(configs)?;
    }
    let Some(pattern) = context.global.on.clone() else {
        return runtime()?.block_on(act(context));
    };
    let (ask, asked) = mpsc::unbounded_channel();
    let members = context.select(&pattern, &ask)?;
    let options = &context.global.pace;
    let mut pace = Pace::free(options, members.len());
    if !matches!(work, Work::ChangesIfAgreed(_)) {
        pace.begin(options, members.len());
    }
    let fleet = Fleet {
        work,
        pace,
        telling: Telling::new(members.len()),
        forks: usize::from(context.global.forks),
        waiting: VecDeque::new(),
        active: 0,
        agreed: false,
        stop: Rc::default(),
        leaves: None,
    };
    runtime()?.block_on(fleet.run(members, asked, context, act))
}

/// What goes on at many targets.
struct Fleet {
    work: Work,
    pace: Pace,
    telling: Telling,
    forks: usize,
    /// Targets that wait for somebody to agree.
    waiting: VecDeque<Question>,
    /// How many work just now.
    active: usize,
    /// Somebody has agreed.
    agreed: bool,
    stop: Rc<Stop>,
    /// When those are left alone that are at work still.
    leaves: Option<Instant>,
}

impl Fleet {
    async fn run(
        mut self,
        members: Vec<Member>,
        mut asked: mpsc::UnboundedReceiver<Question>,
        context: &mut Context,
        act: impl AsyncFn(&mut Context) -> Result<Exit, CommandError>,
    ) -> Result<Exit, CommandError> {
        let began = Instant::now();
        let stop = Rc::clone(&self.stop);
        let mut left = VecDeque::from(members);
        let mut at_work = FuturesUnordered::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupts = Interrupts::listen()?;
        if let Work::Changes(Some(question)) = self.work
            && left.len() > FEW
            && !agrees(context, interrupts.next(), question, left.len()).await
        {
            self.decline_all(&mut left, &mut context.terminal);
        }
        loop {
            self.go_on();
            while self.active < self.forks && self.pace.may_start() {
                let Some(member) = left.pop_front() else {
                    break;
                };
                let held = Held::default();
                self.telling.begin(&member.name, held.passing());
                at_work.push(one(context.of_member(member, held), &stop, &act));
                self.active += 1;
                self.pace.start();
            }
            if self.pace.is_stopped() {
                self.leave(&mut left, &mut context.terminal);
            }
            if self.active == 0 && left.is_empty() && !self.waiting.is_empty() && !self.agreed {
                self.decide(context, interrupts.next()).await;
                continue;
            }
            if at_work.is_empty() && left.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = interrupts.next() => self.interrupt(context),
                Some(question) = asked.recv() => {
                    self.active -= 1;
                    self.pace.wait();
                    self.telling.hear(&question, &mut context.terminal);
                    self.waiting.push_back(question);
                }
                Some(ended) = at_work.next() => {
                    self.active -= 1;
                    self.pace.end(ended.exit);
                    self.telling.end(ended, &mut context.terminal);
                }
                () = until(self.leaves) => {
                    at_work.clear();
                    self.abandon(&mut context.terminal);
                }
                _ = tick.tick() => self.telling.show(&mut context.terminal),
            }
        }
        let exit = self.telling.finish(began.elapsed(), &mut context.terminal);
        if self.work != Work::Reads {
            self.keep(context);
        }
        Ok(exit)
    }

    /// Nobody else begins; what goes on stops by itself, as each of them has heard it too. The second time
    /// none is waited for much longer.
    fn interrupt(&mut self, context: &mut Context) {
        if self.stop.is_told() {
            self.leaves.get_or_insert_with(|| Instant::now() + GRACE);
            return;
        }
        self.pace.stop();
        self.stop.tell();
        let words = "no other target begins, and runs stop before their next block; \
                     ^C again leaves them to themselves";
        context.terminal.note(words);
    }

    /// What has not ended by itself is left, whatever it does.
    fn abandon(&mut self, terminal: &mut Terminal) {
        for name in self.telling.at_work() {
            let ended = Ended {
                name,
                exit: Some(Exit::Lost),
                told: Told::default(),
                time: Duration::ZERO,
            };
            self.telling.end(ended, terminal);
        }
        self.active = 0;
    }

    /// Those that wait, or have not begun, are left alone.
    fn leave(&mut self, left: &mut VecDeque<Member>, terminal: &mut Terminal) {
        for member in left.drain(..) {
            let ended = Ended::not_begun(member.name);
            self.telling.end(ended, terminal);
        }
        self.decline(State::NotRun);
    }

    /// Nobody is begun with.
    fn decline_all(&mut self, left: &mut VecDeque<Member>, terminal: &mut Terminal) {
        for member in left.drain(..) {
            self.telling.settle(&member.name, State::Declined);
            self.telling.end(Ended::not_begun(member.name), terminal);
        }
    }

    /// Those that wait come to this without being changed.
    fn decline(&mut self, state: State) {
        for question in self.waiting.drain(..) {
            self.telling.settle(&question.name, state);
            question.answer(false);
            self.active += 1;
        }
    }

    /// Lets those go on that somebody has agreed to, as many as may.
    fn go_on(&mut self) {
        while self.agreed && self.active < self.forks && self.pace.may_start() {
            let Some(question) = self.waiting.pop_front() else {
                break;
            };
            question.answer(true);
            self.active += 1;
            self.pace.start();
        }
    }

    /// Keeps the names of those that are not done, for `hpt retry`; where all are, there is nothing to
    /// be done again.
    fn keep(&self, context: &mut Context) {
        let names = self.telling.not_done();
        let kept = context.retry_file().and_then(|path| {
            let kept = if names.is_empty() {
                again::forget(&path)
            } else {
                let again = context.again.clone().map_or_else(Again::this, Ok);
                again.and_then(|again| again.keep(&path, names.iter().copied()))
            };
            kept.map_err(CommandError::io("keep what is not done", &path))
        });
        match kept {
            Ok(()) if names.is_empty() => {}
            Ok(()) => context.terminal.note(format_args!(
                "hint: `hpt retry --failed` does it again on {}",
                listed_up_to(NAMED, &names)
            )),
            Err(error) => drop(show(context, error)),
        }
    }

    /// Shows what is to be done on all of them, and asks once.
    async fn decide(&mut self, context: &mut Context, interrupted: impl Future<Output = ()>) {
        let question = match self.work {
            Work::ChangesIfAgreed(question) => question,
            Work::Reads | Work::Changes(_) => "Go on with",
        };
        self.telling.tell(&mut context.terminal);
        self.agreed = agrees(context, interrupted, question, self.waiting.len()).await;
        if self.agreed {
            let options = &context.global.pace;
            self.pace.begin(options, self.waiting.len());
        } else {
            self.decline(State::Declined);
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Whether somebody agrees to this, on so many targets. ^C is a no.
async fn agrees(
    context: &mut Context,
    interrupted: impl Future<Output = ()>,
    question: &str,
    count: usize,
) -> bool {
    tokio::select! {
        biased;
        () = interrupted => false,
        agreed = context.terminal.ask_for_all(question, count) => agreed,
    }
}

/// One target, to its end.
async fn one(
    mut context: Context,
    stop: &Stop,
    act: &impl AsyncFn(&mut Context) -> Result<Exit, CommandError>,
) -> Ended {
    let began = Instant::now();
    let member = context.member.as_ref().expect("it is one of many");
    let (name, has_begun) = (member.name.clone(), member.begun());
    let done = stop.or(&has_begun, act(&mut context)).await;
    let exit = done.map(|done| done.unwrap_or_else(|error| show(&mut context, error)));
    Ended {
        name,
        exit,
        told: context.terminal.take_held(),
        time: began.elapsed(),
    }
}
