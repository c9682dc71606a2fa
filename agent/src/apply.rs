//! An apply as the server sees it: judged here, and performed by a process of its own if there is
//! anything to do.

use hpt_keystore::ClientName;
use hpt_proto::convert::to_secrets;
use hpt_proto::wire::{ApplyEvent, ApplyRequest, RunRequest};
use hpt_proto::{Running, Told};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::grants::Caller;
use crate::refusal::{bad, blocking, unplannable};
use crate::run::{Order, Prepared};
use crate::service::{TargetService, delivery};

impl TargetService {
    /// An apply from its first look at the host to its end.
    pub(crate) async fn perform(
        &self,
        caller: &Caller,
        mut request: ApplyRequest,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        let running = self.name_run(&caller.name);
        let delivery = delivery(request.request.clone())?;
        let order = Order {
            bound: request.bound().map_err(bad)?,
            running: running.clone(),
            exec: caller.may_exec(),
            delivery,
        };
        let blobs = order
            .delivery
            .request
            .sources
            .values()
            .map(|blob| blob.hash)
            .collect();
        let _hold = self.0.store.hold(blobs);
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
        let order = self.order(caller, request, &running);
        let stopping = self.0.stopping.subscribe();
        self.0
            .runner
            .perform(order, &running.run, tell, stopping)
            .await;
        Ok(())
    }

    fn name_run(&self, by: &ClientName) -> Running {
        let mut id = [0; 8];
        getrandom::fill(&mut id).expect("the kernel has randomness after boot");
        Running {
            run: format!("{:016x}", u64::from_be_bytes(id)),
            by: by.as_str().to_owned(),
            since: (self.0.clock)(),
        }
    }

    fn order(&self, caller: &Caller, apply: ApplyRequest, running: &Running) -> RunRequest {
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        RunRequest {
            apply: Some(apply),
            running: Some(running.clone().into()),
            root: text(&self.0.places.root),
            state: text(&self.0.places.state),
            lock: text(&self.0.places.run),
            exec: caller.may_exec(),
        }
    }
}
