//! Waiting until no run holds the host, and the turn of those who would begin one on this server.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpt_proto::Running;
use tokio::sync::MutexGuard;
use tokio::time::{sleep_until, timeout};
use tonic::Status;

use crate::Places;
use crate::journal::Journals;
use crate::lock;
use crate::prepare::undecided;
use crate::refusal::{blocking, failed};
use crate::run::RunError;
use crate::service::TargetService;

/// From one look at who holds the host to the next.
const LOOK: Duration = Duration::from_millis(20);
/// The same of a run that is not decided yet, which nothing shows that is quickly looked at.
const REST: Duration = Duration::from_millis(250);
/// How long whoever would begin a run waits for another who is about to.
const PATIENCE: Duration = Duration::from_millis(30);
/// How long a run may hold its host that has told its end.
const LINGERS: Duration = Duration::from_secs(2);

/// The run that holds a host: one that goes on, or one that is not decided yet; and when to look again.
fn holder(places: &Places) -> Result<Option<(Running, Duration)>, RunError> {
    if let Some(running) = lock::holder(places)? {
        return Ok(Some((running, LOOK)));
    }
    let undecided = undecided(&Journals::open(places)?, None)?;
    Ok(undecided.map(|running| (running, REST)))
}

/// Who was seen to hold the host, and until when nobody need look again: one looks for all who wait.
#[derive(Default)]
pub(crate) struct Seen(tokio::sync::Mutex<Option<(Running, Instant)>>);

/// Waits until no run holds the host, but no longer than this; the run that holds it still.
///
/// # Errors
/// If it cannot be found out who does.
pub fn until_free(places: &Places, time: Duration) -> Result<Option<Running>, RunError> {
    let began = Instant::now();
    loop {
        match holder(places)? {
            Some((_, pause)) if began.elapsed() < time => sleep(pause),
            held => return Ok(held.map(|(running, _)| running)),
        }
    }
}

/// Who is about to begin a run on this server: between the look at the host, and the moment at which
/// the run's own process holds it.
#[derive(Default)]
pub(crate) struct Beginning {
    turn: tokio::sync::Mutex<()>,
    who: Mutex<Option<Running>>,
}

/// The turn of one who would begin a run; over when this is dropped.
pub(crate) struct Turn<'a> {
    _turn: MutexGuard<'a, ()>,
    who: &'a Mutex<Option<Running>>,
}

impl Beginning {
    fn who(&self) -> Option<Running> {
        let who = self.who.lock();
        who.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.who.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl TargetService {
    /// The turn to begin a run, or who holds the host or is about to. Either within 100 ms.
    pub(crate) async fn turn_to_begin(
        &self,
        running: &Running,
    ) -> Result<Result<Turn<'_>, Running>, Status> {
        if let Some(holder) = self.goes_on().await? {
            return Ok(Err(holder));
        }
        let Beginning { turn, who } = &self.0.beginning;
        let turn = loop {
            if let Ok(turn) = timeout(PATIENCE, turn.lock()).await {
                break turn;
            }
            let other = self.0.beginning.who();
            if let Some(other) = other {
                return Ok(Err(other));
            }
        };
        // Dropped on each way out from here.
        let turn = Turn { _turn: turn, who };
        if let Some(holder) = self.goes_on().await? {
            return Ok(Err(holder));
        }
        *who.lock().unwrap_or_else(PoisonError::into_inner) = Some(running.clone());
        Ok(Ok(turn))
    }

    /// The run that goes on. One that has told its end lets the host go in a moment.
    async fn goes_on(&self) -> Result<Option<Running>, Status> {
        let began = Instant::now();
        while let Some(holder) = self.running().await? {
            let (places, run) = (self.0.places.clone(), holder.run.clone());
            let has_ended =
                blocking(move || Journals::open(&places).map(|all| all.has_ended(&run)));
            if !has_ended.await?.map_err(|error| failed(&error))? || began.elapsed() > LINGERS {
                return Ok(Some(holder));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(None)
    }

    /// Who holds the host, by a look that all who wait share; and until when it counts.
    async fn seen(&self) -> Result<Option<(Running, Instant)>, Status> {
        let mut seen = self.0.seen.0.lock().await;
        if let Some((_, until)) = &*seen
            && Instant::now() < *until
        {
            return Ok(seen.clone());
        }
        let places = self.0.places.clone();
        let held = blocking(move || holder(&places)).await?;
        let held = held.map_err(|error| failed(&error))?;
        *seen = held.map(|(running, pause)| (running, Instant::now() + pause));
        Ok(seen.clone())
    }

    /// Waits until no run holds the host; the one that holds it still when the time has passed. Nothing
    /// blocks for as long as it waits.
    pub(crate) async fn until_free(&self, time: Duration) -> Result<Option<Running>, Status> {
        let began = Instant::now();
        let mut stopping = self.0.stopping.subscribe();
        loop {
            let Some((running, until)) = self.seen().await? else {
                return Ok(None);
            };
            if began.elapsed() >= time {
                return Ok(Some(running));
            }
            tokio::select! {
                () = sleep_until(until.into()) => (),
                _ = stopping.wait_for(|stopping| *stopping) => {
                    return Err(Status::unavailable("hpt stops serving here"));
                }
            }
        }
    }
}
