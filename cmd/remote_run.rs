//! Runs over the channel: begun, found, undone, stopped.

use std::time::Duration;

use hpt_proto::wire::{
    ApplyRequest, CancelRequest, PlanUndoReply, PlanUndoRequest, UndoRequest, UpgradeRequest,
};
use hpt_proto::{End, Running, Undone};
use hpt_provisioner::host::Hash;
use tonic::{Code, Status};

use crate::error::CommandError;
use crate::hearing::{Heard, Hearing};
use crate::remote::Remote;
use crate::site::{How, Job};

impl Remote {
    /// Brings a config about.
    pub(crate) async fn apply(
        &mut self,
        job: &Job,
        how: &How,
        blocks: usize,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let request = ApplyRequest {
            request: Some(job.delivery().into()),
            bound: how.bound.as_ref().map(Into::into),
            rerun: how.rerun.clone(),
            confirm: how
                .confirm
                .map(|window| u32::try_from(window.as_secs()).unwrap_or(u32::MAX)),
        };
        tracing::debug!("asking {} to apply", self.name);
        let mut hearing = Hearing::new(&job.files, blocks, hear)?;
        let mut client = self.client.clone();
        let asked = self.ask(&mut hearing, client.apply(request)).await?;
        let events = asked.map_err(|status| self.refused(&status))?;
        self.hear_out(hearing, events).await
    }

    /// Hears a run from its beginning on: the one that goes on, or else the last one, or this one.
    pub(crate) async fn attach(
        &mut self,
        run: &str,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let events = self.follow(run, 0).await;
        let events = events.map_err(|status| self.refused(&status))?;
        let hearing = Hearing::new(&[], 0, hear)?.leaving();
        self.hear_out(hearing, events).await
    }

    /// What an undo of this run would do, or of the last one that has changed something.
    pub(crate) async fn plan_undo(&mut self, run: &str) -> Result<PlanUndoReply, CommandError> {
        let request = PlanUndoRequest {
            run: run.to_owned(),
        };
        let reply = self.client.plan_undo(request).await;
        Ok(reply.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Undoes a run.
    pub(crate) async fn undo(
        &mut self,
        run: &str,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let request = UndoRequest {
            run: run.to_owned(),
        };
        let mut hearing = Hearing::new(&[], 0, hear)?;
        let mut client = self.client.clone();
        let asked = self.ask(&mut hearing, client.undo(request)).await?;
        let events = asked.map_err(|status| self.refused(&status))?;
        self.hear_out(hearing, events).await
    }

    /// Has a run stop before its next block: this one, or the one that goes on. Or has this one stay as it
    /// is, if its undo fails; then with how it was undone.
    pub(crate) async fn cancel(
        &mut self,
        run: &str,
    ) -> Result<(Running, Option<Undone>), CommandError> {
        let request = CancelRequest {
            run: run.to_owned(),
        };
        let reply = self.client.cancel(request).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let (by, stays) = (reply.undone_by, reply.stays);
        let undone = (!by.is_empty()).then_some(Undone { by, stays });
        Ok((reply.run.unwrap_or_default().into(), undone))
    }

    /// Puts a program that it has got already in the place of the hpt there.
    pub(crate) async fn upgrade(
        &mut self,
        hash: Hash,
        window: Duration,
    ) -> Result<End, CommandError> {
        let request = UpgradeRequest {
            hash: hash.as_bytes().to_vec(),
            confirm: u32::try_from(window.as_secs()).unwrap_or(u32::MAX),
        };
        // What it does is known beforehand; how it ends counts.
        let mut nothing = |_| {};
        // Half of an upgrade is none.
        let mut hearing = Hearing::new(&[], 0, &mut nothing)?.leaving();
        let mut client = self.client.clone();
        let asked = self.ask(&mut hearing, client.upgrade(request)).await?;
        let events = asked.map_err(|status| self.cannot_upgrade(&status))?;
        self.hear_out(hearing, events).await
    }

    fn cannot_upgrade(&self, status: &Status) -> CommandError {
        let error = self.refused(status);
        if status.code() != Code::Unimplemented {
            return error;
        }
        error.hint("bring it a newer hpt once as it came to have this one; `hpt upgrade` does it from then on")
    }
}
