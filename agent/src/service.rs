//! The RPCs, each a translation: a message in, a question to the host, a message out.

use std::sync::Arc;
use std::time::Instant;

use hpt_keystore::ClientName;
use hpt_proto::convert::{hash, hashes, to_hashes, to_plan_reply};
use hpt_proto::wire::target_server::Target;
use hpt_proto::wire::{self, ApplyEvent, RunRequest};
use hpt_proto::{BadMessage, Delivery, Running, Told};
use hpt_provisioner::plan::Reveal;
use hpt_transport::grpc::MAX_MESSAGE;
use tokio::sync::mpsc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::Places;
use crate::blobs::Store;
use crate::grants::Caller;
use crate::lock;
use crate::put::{Batch, PutError};
use crate::run::{Order, Prepared, RunError, Site};
use crate::runner::Runner;
use crate::state::StateError;

/// How many requests are judged at once: each may hold its config several times.
const JUDGED_AT_ONCE: usize = 4;
/// Events of a run that wait for a client.
const WAITING_EVENTS: usize = 64;
/// Messages of a blob that wait to be written; together at most 8 MiB.
const WAITING_CHUNKS: usize = 4;

/// All that calls share.
#[derive(Clone)]
pub(crate) struct TargetService(Arc<Shared>);

struct Shared {
    places: Places,
    site: Site,
    store: Store,
    runner: Runner,
    clock: fn() -> u64,
    started: Instant,
    judging: Semaphore,
}

impl TargetService {
    pub(crate) fn new(
        places: Places,
        runner: Runner,
        clock: fn() -> u64,
    ) -> Result<Self, StateError> {
        let store = Store::open(&places)?;
        Ok(Self(Arc::new(Shared {
            site: Site::new(places.clone()),
            places,
            store,
            runner,
            clock,
            started: Instant::now(),
            judging: Semaphore::new(JUDGED_AT_ONCE),
        })))
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        self.0
            .judging
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    async fn running(&self) -> Result<Option<Running>, Status> {
        let places = self.0.places.clone();
        blocking(move || lock::holder(&places))
            .await?
            .map_err(|error| failed(&error))
    }

    /// An apply from its first look at the host to its end.
    async fn perform(
        &self,
        caller: &Caller,
        request: wire::ApplyRequest,
        tell: mpsc::Sender<Result<ApplyEvent, Status>>,
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
        let over = blocking(move || match site.prepare(order) {
            Ok(Prepared::Over(end)) => Ok(Some(end)),
            Ok(Prepared::Due(_)) => Ok(None),
            Err(error) => Err(error),
        })
        .await?
        .map_err(|error| unplannable(&error))?;
        drop(turn);
        if let Some(end) = over {
            let _ = tell.send(Ok(Told::End(end).into())).await;
            return Ok(());
        }
        tracing::info!("run {} of {} begins", running.run, running.by);
        let order = self.order(caller, request, &running);
        self.0.runner.perform(order, &running.run, tell).await;
        tracing::info!("run {} is over", running.run);
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

    fn order(&self, caller: &Caller, apply: wire::ApplyRequest, running: &Running) -> RunRequest {
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

#[async_trait]
impl Target for TargetService {
    async fn status(
        &self,
        _: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        let (site, places) = (self.0.site.clone(), self.0.places.clone());
        let (facts, running) = blocking(move || (site.facts(), lock::holder(&places))).await?;
        Ok(Response::new(wire::StatusReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: facts.hostname,
            system: facts.os_name,
            uptime: self.0.started.elapsed().as_secs(),
            running: running.map_err(|error| failed(&error))?.map(Into::into),
        }))
    }

    async fn facts(
        &self,
        _: Request<wire::FactsRequest>,
    ) -> Result<Response<wire::FactsReply>, Status> {
        let site = self.0.site.clone();
        let facts = blocking(move || site.facts()).await?;
        let json = serde_json::to_string(&facts).expect("facts are plain values");
        Ok(Response::new(wire::FactsReply { json }))
    }

    async fn health(
        &self,
        _: Request<wire::HealthRequest>,
    ) -> Result<Response<wire::HealthReply>, Status> {
        let ready = self.running().await?.is_none();
        Ok(Response::new(wire::HealthReply { ready }))
    }

    async fn missing_blobs(
        &self,
        request: Request<wire::MissingBlobsRequest>,
    ) -> Result<Response<wire::MissingBlobsReply>, Status> {
        let hashes = hashes(&request.get_ref().hashes).map_err(bad)?;
        let store = self.0.store.clone();
        let missing = blocking(move || store.missing(&hashes)).await?;
        Ok(Response::new(wire::MissingBlobsReply {
            hashes: to_hashes(&missing),
        }))
    }

    async fn put_blobs(
        &self,
        request: Request<Streaming<wire::PutBlobsRequest>>,
    ) -> Result<Response<wire::PutBlobsReply>, Status> {
        let mut incoming = request.into_inner();
        let (send, receive) = mpsc::channel(WAITING_CHUNKS);
        let store = self.0.store.clone();
        let writing = tokio::spawn(blocking(move || take_in(&store, receive)));
        let mut all = false;
        loop {
            match incoming.message().await {
                Ok(Some(message)) => {
                    if send.send(Part::Message(message)).await.is_err() {
                        break; // refused; the writer says why
                    }
                }
                Ok(None) => {
                    all = send.send(Part::End).await.is_ok();
                    break;
                }
                Err(status) => return Err(status), // cut: the writer drops what is there
            }
        }
        drop(send);
        let written = writing.await.map_err(|_| bug())??;
        match written {
            Ok(()) if all => Ok(Response::new(wire::PutBlobsReply {})),
            Ok(()) => Err(bug()),
            Err(error) => Err(put_status(&error)),
        }
    }

    async fn plan(
        &self,
        request: Request<wire::PlanRequest>,
    ) -> Result<Response<wire::PlanReply>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let delivery = delivery(request.request)?;
        let reveal = match request.reveal && caller.may_see_content() {
            true => Reveal::Content,
            false => Reveal::Outline,
        };
        let site = self.0.site.clone();
        let _turn = self.turn().await;
        let reply = blocking(move || site.plan(delivery, reveal).map(|r| fit(to_plan_reply(&r))));
        reply
            .await?
            .map_err(|error| unplannable(&error))?
            .map(Response::new)
    }

    type ApplyStream = ReceiverStream<Result<ApplyEvent, Status>>;

    async fn apply(
        &self,
        request: Request<wire::ApplyRequest>,
    ) -> Result<Response<Self::ApplyStream>, Status> {
        let caller = caller(&request)?;
        let (tell, told) = mpsc::channel(WAITING_EVENTS);
        let service = self.clone();
        // A task of its own: it goes on when the client is gone.
        tokio::spawn(async move {
            let performed = service
                .perform(&caller, request.into_inner(), tell.clone())
                .await;
            if let Err(status) = performed {
                let _ = tell.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(told)))
    }
}

/// A part of a stream of blobs, on its way to the thread that writes.
enum Part {
    Message(wire::PutBlobsRequest),
    /// The sender has said that it was all; without it the stream was cut.
    End,
}

fn take_in(store: &Store, mut parts: mpsc::Receiver<Part>) -> Result<(), PutError> {
    let mut batch = Batch::new(store);
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Message(message) => {
                if !message.hash.is_empty() {
                    let announced = hash(&message.hash);
                    let announced =
                        announced.map_err(|_| PutError::BadSender("announced no hash"))?;
                    batch.begin(announced, message.size)?;
                }
                batch.write(message.chunk)?;
            }
            Part::End => return batch.finish(),
        }
    }
    Ok(())
}

/// Leaves the longest answers' diffs out, so that a plan always fits a message.
fn fit(mut reply: wire::PlanReply) -> Result<wire::PlanReply, Status> {
    use prost::Message as _;
    let mut length = reply.encoded_len();
    if let Some(wire::plan_reply::Result::Plan(plan)) = &mut reply.result {
        let details = plan
            .blocks
            .iter_mut()
            .rev()
            .flat_map(|block| &mut block.details);
        for detail in details {
            if length <= MAX_MESSAGE {
                break;
            }
            if let Some(wire::detail::Kind::Diff(diff)) = &detail.kind {
                let words = format!("{}: content changes; too much to show", diff.path);
                let before = detail.encoded_len();
                detail.kind = Some(wire::detail::Kind::Text(words));
                length = length.saturating_sub(before) + detail.encoded_len();
            }
        }
    }
    if reply.encoded_len() > MAX_MESSAGE {
        return Err(Status::resource_exhausted(
            "this plan is too long to send: split the config",
        ));
    }
    Ok(reply)
}

fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    request
        .extensions()
        .get::<Arc<Caller>>()
        .cloned()
        .ok_or_else(bug)
}

fn delivery(request: Option<wire::Request>) -> Result<Delivery, Status> {
    let request = request.ok_or_else(|| Status::invalid_argument("there is no config in it"))?;
    Delivery::try_from(request).map_err(bad)
}

/// Runs what may block, on a thread for such; a panic in it costs this call alone (C4).
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work).await.map_err(|error| {
        tracing::error!("a call panicked: {error}");
        bug()
    })
}

fn bug() -> Status {
    Status::internal("a bug in hpt on the target; its log says more")
}

fn bad(error: BadMessage) -> Status {
    Status::invalid_argument(error.to_string())
}

fn failed(error: &StateError) -> Status {
    Status::failed_precondition(error.to_string())
}

fn unplannable(error: &RunError) -> Status {
    match error {
        RunError::NoExec { .. } => Status::permission_denied(error.to_string()),
        RunError::State(_) | RunError::Host(_) => Status::failed_precondition(error.to_string()),
    }
}

fn put_status(error: &PutError) -> Status {
    match error {
        PutError::BadSender(_) | PutError::WrongHash { .. } => {
            Status::invalid_argument(error.to_string())
        }
        PutError::TooMuch(_) => Status::resource_exhausted(error.to_string()),
        PutError::Io { .. } => Status::failed_precondition(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C4.
    #[tokio::test]
    async fn a_panic_becomes_a_status() {
        let status = blocking(|| panic!("on purpose"))
            .await
            .map(|()| ())
            .unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(!status.message().contains("on purpose"));
    }

    #[test]
    fn a_long_plan_loses_its_diffs_and_fits() {
        let line = wire::Line {
            tag: 2,
            text: "x".repeat(1000),
        };
        let diff = wire::Diff {
            path: "/etc/motd".into(),
            lines: vec![line; 1000],
        };
        let detail = wire::Detail {
            kind: Some(wire::detail::Kind::Diff(diff)),
        };
        let block = wire::Planned {
            details: vec![detail],
            ..Default::default()
        };
        let plan = wire::Plan {
            blocks: vec![block; 6],
            ..Default::default()
        };
        let reply = wire::PlanReply {
            result: Some(wire::plan_reply::Result::Plan(plan)),
        };
        let fitted = fit(reply).unwrap();
        let Some(wire::plan_reply::Result::Plan(plan)) = fitted.result else {
            panic!("a plan");
        };
        let is_diff = |block: &wire::Planned| {
            matches!(block.details[0].kind, Some(wire::detail::Kind::Diff(_)))
        };
        let shown: Vec<_> = plan.blocks.iter().map(is_diff).collect();
        assert_eq!(shown, [true, true, true, true, false, false]);
    }
}
