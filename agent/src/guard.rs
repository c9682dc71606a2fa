//! The guardian of a run that must be confirmed: a process outside hpt's own unit that waits for the
//! confirmation, and undoes the run when its time has passed (J3). It works from its own open binary,
//! whatever the run has made of hpt; one that a boot starts has a copy.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use hpt_proto::wire::RunRequest;
use hpt_proto::{Running, Undone};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use crate::Places;
use crate::audit::Asked;
use crate::child::{ChildError, places_of, read_order};
use crate::confirm::{Confirmation, Stage, Trouble, now};
use crate::journal::{Journals, Standing, name_run};
use crate::lock;
use crate::run::{RunError, Site};
use crate::runner::{PATH, Runner, start_lasting_guardian};
use crate::standby;
use crate::undo::Reverted;

/// From one look at whether all that are not decided are looked after to the next.
const EACH: Duration = Duration::from_secs(1);
/// From one look at what has become of a run to the next.
const LOOK: Duration = Duration::from_millis(50);
/// The time before the second try to undo a run; it doubles with each that fails, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// By whom runs are that undo others in their stead; no client has such a name.
const BY: &str = "the confirmation window of ";

/// Who looks after runs that must be confirmed.
#[derive(Debug, Clone)]
pub struct Guardian {
    runner: Runner,
    /// The unit of `hpt serve`, which is started anew after a run was undone; empty if it has none.
    serving: String,
}

impl Guardian {
    /// As whoever started this process wants it.
    pub(crate) fn new(unit: bool, serving: String) -> io::Result<Self> {
        const OWN: &str = "/proc/self/exe";
        let runner = if unit {
            let program = fs::read_link(OWN)?;
            Runner::Unit { program }
        } else {
            let program = PathBuf::from(OWN);
            Runner::Process { program }
        };
        Ok(Self { runner, serving })
    }

    /// As a server that starts runs so has it.
    pub(crate) fn of(runner: Runner, serving: String) -> Self {
        Self { runner, serving }
    }

    /// The unit of `hpt serve`; empty if it has none.
    pub(crate) fn serving(&self) -> &str {
        &self.serving
    }

    /// Arms a run and has a process look after it, which does so when this returns.
    pub(crate) fn arm(&self, places: &Places, run: &str, window: Duration) -> Result<(), RunError> {
        let journals = Journals::open(places)?;
        let confirmation =
            Confirmation::of(&journals, run).ok_or_else(|| RunError::NoRun(run.to_owned()))?;
        if places.root == Path::new("/")
            && let Err(why) = confirmation.keep_ruleset()
        {
            tracing::warn!("the packet filter's rules cannot be kept: {why}");
        }
        confirmation.arm(window)?;
        let standing_by = match &self.runner {
            Runner::Unit { program } if places.root == Path::new("/") => {
                standby::install(&confirmation, program, &self.order(places, run))
            }
            _ => Ok(()),
        };
        let watched = standing_by.and_then(|()| self.watch(places, run));
        watched.map_err(|why| {
            confirmation.forget();
            RunError::NoGuardian(why)
        })
    }

    /// Has each run looked after that is not decided, if nobody does: whoever did may have been killed.
    /// One that goes on may be about to see to that itself.
    pub(crate) fn watch_all(&self, places: &Places) {
        let open = Journals::open(places).map_err(io::Error::other);
        let open = open.and_then(|journals| Confirmation::open(&journals));
        let watched = open.and_then(|open| {
            let holder = lock::holder(places).map_err(io::Error::other)?;
            let goes_on = |run: &str| holder.as_ref().is_some_and(|holder| holder.run == run);
            open.iter().try_for_each(|open| {
                if goes_on(open.run()) || open.is_guarded() {
                    Ok(())
                } else {
                    self.watch(places, open.run())
                }
            })
        });
        if let Err(why) = watched {
            tracing::error!("a run that was not confirmed cannot be undone: {why}");
        }
    }

    /// Sees to all of them again and again, for as long as it is polled: a host that nobody can reach
    /// undoes what locks its operator out, whatever has become of whoever was to do it.
    pub(crate) async fn watch_always(self, places: Places) {
        let mut tick = tokio::time::interval(EACH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (guardian, places) = (self.clone(), places.clone());
            let _ = spawn_blocking(move || guardian.watch_all(&places)).await;
        }
    }

    /// Starts the process that looks after a run that is armed.
    fn watch(&self, places: &Places, run: &str) -> io::Result<()> {
        let order = self.order(places, run);
        let Runner::Unit { program } = &self.runner else {
            return self.runner.start_guardian(&order, run);
        };
        let journals = Journals::open(places).map_err(io::Error::other)?;
        let confirmation = Confirmation::of(&journals, run);
        let confirmation = confirmation.ok_or(ErrorKind::InvalidInput)?;
        let Some([program, order]) = standby::of(&confirmation, program) else {
            return self.runner.start_guardian(&order, run);
        };
        start_lasting_guardian(&program, &order, run, &|| confirmation.is_guarded())
    }

    /// What that process is told.
    fn order(&self, places: &Places, run: &str) -> RunRequest {
        let running = Running {
            run: run.to_owned(),
            by: String::new(),
            since: 0,
        };
        RunRequest {
            serving: self.serving.clone(),
            ..places.order(&running, &Asked::default())
        }
    }
}

/// Whether a run undoes another because that was not confirmed.
pub(crate) fn is_guardians(running: &Running) -> bool {
    running.by.starts_with(BY)
}

/// All of the hidden verb `hpt guard`: an order on standard input, and one line on standard output when
/// it watches. `clock` tells unix seconds.
///
/// # Errors
/// If there is no run to guard, or what it has to undo cannot be undone.
pub fn guard(
    from: &mut dyn Read,
    to: &mut dyn Write,
    clock: fn() -> u64,
) -> Result<(), ChildError> {
    let _ = rustix::process::setsid();
    let order = read_order(from).map_err(ChildError::Order)?;
    let places = places_of(&order);
    let run = order.running.unwrap_or_default().run;
    let unknown = || RunError::NoRun(run.clone());
    let journals = Journals::open(&places).map_err(RunError::from)?;
    let confirmation = Confirmation::of(&journals, &run).ok_or_else(unknown)?;
    let guarding = confirmation.guard().map_err(RunError::from)?;
    // Whoever asked may be gone, and the run is guarded all the same.
    let _ = to.write_all(b"\n").and_then(|()| to.flush());
    if guarding.is_none() {
        return Ok(());
    }
    if wait(&confirmation, &places)? {
        undo(&confirmation, &places, &order.serving, clock);
    }
    standby::remove(&confirmation);
    Ok(())
}

/// Waits until the run has ended, and then for its confirmation. True if it is to be undone.
fn wait(confirmation: &Confirmation, places: &Places) -> Result<bool, RunError> {
    while confirmation.stage() == Some(Stage::Armed) {
        if let Some(ago) = confirmation.ended_ago() {
            match confirmation.window().checked_sub(ago) {
                None | Some(Duration::ZERO) => break,
                Some(left) => sleep(left.min(LOOK)),
            }
            continue;
        }
        // Where the lock cannot be looked at, the undo says what is wrong with it.
        let holder = lock::holder(places).unwrap_or_default();
        let is_held = holder.is_some_and(|holder| holder.run == confirmation.run());
        // A host that goes down ends this process too, and the run goes on when it is back.
        if is_held || is_awaited(places, confirmation.run()) {
            sleep(LOOK);
        } else if confirmation.window().is_zero() {
            break; // of another boot: its end does not matter any more
        } else if let Err(why) = confirmation.note_end(now()) {
            // Its process could not say so either; nobody can confirm it then.
            tracing::error!("the end of the run cannot be noted: {why}");
            sleep(confirmation.window());
            break;
        }
    }
    Ok(confirmation.claim()?)
}

fn is_awaited(places: &Places, run: &str) -> bool {
    let standing = Journals::open(places).map(|journals| Standing::read(&journals, run));
    matches!(standing, Ok(Ok(Some(standing))) if standing.is_awaited())
}

/// Undoes the run, however often that must be tried.
fn undo(confirmation: &Confirmation, places: &Places, serving: &str, clock: fn() -> u64) {
    let run = confirmation.run();
    let site = Site::new(places.clone());
    let mut pause = PAUSE;
    let mut serves = serving.is_empty();
    let mut waits_for = String::new();
    loop {
        let now = clock();
        let running = Running {
            run: name_run(now, places),
            by: format!("{BY}{run}"),
            since: now,
        };
        let tried = match site.revert(confirmation, running) {
            Ok(Reverted::Already) => return,
            Ok(Reverted::Busy(holder)) => {
                if waits_for != holder.run {
                    let (holder, by) = (&holder.run, &holder.by);
                    tracing::warn!("run {run} is undone when run {holder} of {by} is over");
                }
                waits_for = holder.run;
                sleep(PAUSE);
                continue;
            }
            Ok(Reverted::Tried(how)) => how,
            Err(RunError::NoRun(_)) => {
                tracing::warn!("run {run} has changed nothing: it was killed before it began");
                return confirmation.forget();
            }
            Err(why) => Err(Trouble {
                why: why.to_string(),
                so_far: confirmation.trouble().unwrap_or_default().so_far,
            }),
        };
        // Also where some of it cannot be put back yet: hpt may serve by what has been.
        if tried.is_ok() || !serves {
            serve_again(serving);
            serves = true;
        }
        // Told when hpt serves again, so that whoever hears of it finds it there.
        let Err(trouble) = tried.and_then(|how| note(confirmation, how)) else {
            return;
        };
        let why = &trouble.why;
        tracing::error!("run {run} is to be undone, which will be tried again: {why}");
        confirmation.note_trouble(&trouble);
        sleep(pause);
        pause = LONGEST.min(pause * 2);
    }
}

fn note(confirmation: &Confirmation, how: Undone) -> Result<(), Trouble> {
    if let Err(why) = confirmation.reverted(&how) {
        let why = format!("it cannot be noted that it was: {why}");
        return Err(Trouble { why, so_far: how });
    }
    tracing::warn!("run {} is undone by run {}", confirmation.run(), how.by);
    Ok(())
}

/// Whatever the run has made of the unit of `hpt serve`, if it has one: its files are as they were by now.
fn serve_again(unit: &str) {
    if unit.is_empty() {
        return;
    }
    for words in [
        &["daemon-reload"][..],
        &["reset-failed", unit],
        &["restart", unit],
    ] {
        let mut command = Command::new("systemctl").into_std();
        command.env_clear().env("PATH", PATH).args(words);
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::warn!("systemctl {}: {status}", words.join(" ")),
            Err(why) => tracing::error!("systemctl cannot be started: {why}"),
        }
    }
}
