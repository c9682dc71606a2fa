//! Runs as the server sees them: an apply is judged here, and performed by a process of its own if
//! there is anything to do; whoever wants to hear of a run follows its journal.

use hpt_keystore::ClientName;
use hpt_proto::convert::to_secrets;
use hpt_proto::wire::{ApplyEvent, ApplyRequest, CancelReply, RunRequest};
use hpt_proto::{End, Running, Told};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::audit::{Entry, Kind};
use crate::due::Prepared;
use crate::grants::Caller;
use crate::guard::is_guardians;
use crate::journal::follow::{Followed, Follower, is_end};
use crate::journal::{Journals, name_run};
use crate::refusal::{bad, blocking, failed, unplannable};
use crate::run::{Order, RunError};
use crate::runner::Runner;
use crate::service::{TargetService, delivery};
use crate::systemd::own_unit;
use crate::wait::Turn;

impl TargetService {
    /// An apply from its first look at the host to its end.
    pub(crate) async fn perform(
        &self,
        caller: &Caller,
        mut request: ApplyRequest,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        self.see_to_guardians().await?;
        let running = self.name_run(&caller.name);
        let delivery = delivery(request.request.clone())?;
        let order = Order {
            bound: request.bound().map_err(bad)?,
            running: running.clone(),
            exec: caller.may_exec(),
            rerun: request.rerun.iter().cloned().collect(),
            asked: caller.asked(),
            confirm: None, // it is only looked at here
            delivery,
        };
        request.window().map_err(bad)?;
        let blobs = order
            .delivery
            .request
            .sources
            .values()
            .map(|blob| blob.hash)
            .collect();
        let _hold = self.0.store.hold(blobs);
        let begin = match self.turn_to_begin(&running).await? {
            Ok(turn) => turn,
            Err(holder) => {
                let _ = tell.send(Ok(Told::End(End::Busy(holder)).into())).await;
                return Ok(());
            }
        };
        let site = self.0.site.clone();
        let turn = self.turn().await;
        // The lock of the look is let go here; the run's own process takes it again.
        let looked = blocking(move || match site.prepare(order) {
            Ok(Prepared::Over(end)) => Ok(Err(end)),
            Ok(Prepared::Due(due)) => Ok(Ok(due.into_secrets())),
            Err(error) => Err(error),
        })
        .await?
        .map_err(|error| unplannable(&error))?;
        drop(turn);
        let secrets = match looked {
            Ok(secrets) => secrets,
            Err(end) => {
                let _ = tell.send(Ok(Told::End(end).into())).await;
                return Ok(());
            }
        };
        tracing::info!("run {} of {} begins", running.run, running.by);
        if let Some(config) = &mut request.request {
            // The run's process has no key, and is given what was opened with it here.
            config.secrets = to_secrets(&secrets);
        }
        let order = RunRequest {
            apply: Some(request),
            exec: caller.may_exec(),
            unit: matches!(self.0.runner, Runner::Unit { .. }),
            serving: own_unit(),
            ..self.0.places.order(&running, &caller.asked())
        };
        self.run(order, &running, begin, tell).await
    }

    /// Undoes a run, in a process of its own.
    pub(crate) async fn undo_run(
        &self,
        caller: &Caller,
        run: String,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        let (places, id) = (self.0.places.clone(), run.clone());
        let is_there =
            blocking(move || Journals::open(&places)?.has(&id).map_err(RunError::Journal));
        if !is_there.await?.map_err(|error| unplannable(&error))? {
            return Err(unplannable(&RunError::NoRun(run)));
        }
        let running = self.name_run(&caller.name);
        let begin = match self.turn_to_begin(&running).await? {
            Ok(turn) => turn,
            Err(holder) => {
                let _ = tell.send(Ok(Told::End(End::Busy(holder)).into())).await;
                return Ok(());
            }
        };
        tracing::info!("run {} of {} undoes run {run}", running.run, running.by);
        let order = RunRequest {
            undo: run,
            unit: matches!(self.0.runner, Runner::Unit { .. }),
            serving: own_unit(),
            ..self.0.places.order(&running, &caller.asked())
        };
        self.run(order, &running, begin, tell).await
    }

    /// Starts the process of a run, and tells what the run tells.
    pub(crate) async fn run(
        &self,
        order: RunRequest,
        running: &Running,
        begin: Turn<'_>,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        let started = self.0.runner.start(order, &running.run).await;
        drop(begin);
        let answer = started.map_err(|why| {
            tracing::error!("run {} did not begin: {why}", running.run);
            Status::internal(format!("run {} did not begin: {why}", running.run))
        })?;
        if is_end(&answer) {
            let _ = tell.send(Ok(answer)).await;
            return Ok(());
        }
        self.follow(&running.run, 0, tell).await
    }

    /// Tells what a run tells, from an event on to its end.
    pub(crate) async fn follow(
        &self,
        run: &str,
        from: u64,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        let stopping = self.0.stopping.subscribe();
        let follower = Follower {
            tell,
            from,
            stopping,
        };
        let how = follower.follow(&self.0.places, run).await;
        match how.map_err(|error| failed(&error))? {
            Followed::Ended | Followed::Left => Ok(()),
            Followed::Broken => Err(Status::aborted(format!(
                "the process of run {run} ended before the run did"
            ))),
            Followed::Unknown => Err(Status::not_found(format!("there is no run {run}"))),
        }
    }

    /// The run that goes on, or else the last one.
    pub(crate) async fn this_or_last(&self, run: String) -> Result<String, Status> {
        if !run.is_empty() {
            return Ok(run);
        }
        if let Some(running) = self.running().await? {
            return Ok(running.run);
        }
        let places = self.0.places.clone();
        let last = blocking(move || Journals::open(&places).map(|journals| journals.last()));
        let last = last.await?.map_err(|error| failed(&error))?;
        let none = || Status::not_found("nothing has run here");
        last.map_err(|error| failed(&error))?.ok_or_else(none)
    }

    /// Has a run stop before its next block.
    pub(crate) async fn stop_run(&self, caller: &Caller, run: &str) -> Result<CancelReply, Status> {
        let Some(running) = self.running().await? else {
            return self.give_up(caller, run).await;
        };
        if is_guardians(&running) {
            return Err(Status::failed_precondition(format!(
                "run {} puts back what was not confirmed in time, and does so to its end",
                running.run
            )));
        }
        if !run.is_empty() && running.run != run {
            return Err(Status::not_found(format!("run {run} does not go on")));
        }
        let stopped = self.0.site.stop(&running.run, caller.name.as_str());
        stopped.map_err(|error| failed(&error))?;
        self.0.notes.add(Entry {
            run: running.run.clone(),
            ..caller.entry(self.0.notes.now(), Kind::Cancelled)
        });
        Ok(CancelReply {
            run: Some(running.into()),
            ..CancelReply::default()
        })
    }

    pub(crate) fn name_run(&self, by: &ClientName) -> Running {
        let now = self.0.notes.now();
        Running {
            run: name_run(now, &self.0.places),
            by: by.as_str().to_owned(),
            since: now,
        }
    }
}
