//! Waiting until no run holds the host, and the turn of those who would begin one on this server.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpt_proto::Running;
use tokio::sync::MutexGuard;
use tokio::time::timeout;
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
/// How long whoever would begin a run waits for another who is about to.
const PATIENCE: Duration = Duration::from_millis(30);
/// How long a run may hold its host that has told its end.
const LINGERS: Duration = Duration::from_secs(2);

/// The run that holds a host: one that goes on, or one that is not decided yet.
fn holder(places: &Places) -> Result<Option<Running>, RunError> {
    match lock::holder(places)? {
        Some(running) => Ok(Some(running)),
        None => Ok(undecided(&Journals::open(places)?, None)?),
    }
}

/// Waits until no run holds the host, but no longer than this; the run that holds it still.
///
/// # Errors
/// If it cannot be found out who does.
pub fn until_free(places: &Places, time: Duration) -> Result<Option<Running>, RunError> {
    let began = Instant::now();
    loop {
        let held = holder(places)?;
        if held.is_none() || began.elapsed() >= time {
            return Ok(held);
        }
        sleep(LOOK);
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

    /// Waits until no run holds the host; the one that holds it still when the time has passed.
    pub(crate) async fn until_free(&self, time: Duration) -> Result<Option<Running>, Status> {
        let began = Instant::now();
        let mut stopping = self.0.stopping.subscribe();
        loop {
            let places = self.0.places.clone();
            let held = blocking(move || holder(&places)).await?;
            let held = held.map_err(|error| failed(&error))?;
            if held.is_none() || began.elapsed() >= time {
                return Ok(held);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => (),
                _ = stopping.wait_for(|stopping| *stopping) => {
                    return Err(Status::unavailable("hpt stops serving here"));
                }
            }
        }
    }
}
