//! The RPCs, each a translation: a message in, a question to the host, a message out.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use hpt_proto::convert::{hashes, to_hashes, to_plan_reply};
use hpt_proto::wire::target_server::Target;
use hpt_proto::wire::{self, ApplyEvent};
use hpt_proto::{Delivery, Running};
use hpt_provisioner::host::Hash;
use hpt_provisioner::plan::Reveal;
use hpt_transport::grpc::Peer;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::Places;
use crate::audit::Audit;
use crate::blobs::Store;
use crate::drift::Drift;
use crate::fit::{fit, fit_drift};
use crate::grants::Caller;
use crate::guard::Guardian;
use crate::intake::receive;
use crate::lock;
use crate::notes::Notes;
use crate::pins::Pins;
use crate::refusal::{bad, blocking, bug, failed, unplannable};
use crate::run::{RunError, Site};
use crate::runner::Runner;
use crate::state::StateError;
use crate::systemd::own_unit;
use crate::wait::{Beginning, Seen};

/// How many requests are judged at once: each may hold its config several times.
const JUDGED_AT_ONCE: usize = 4;
/// How many logs are read at once: a client that is slow to hear one keeps a thread.
const READ_AT_ONCE: usize = 4;
/// Events of a run that wait for a client.
const WAITING_EVENTS: usize = 64;

/// What a run tells a client.
type Events = ReceiverStream<Result<ApplyEvent, Status>>;

/// All that calls share.
#[derive(Clone)]
pub(crate) struct TargetService(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) places: Places,
    pub(crate) site: Site,
    pub(crate) store: Store,
    pub(crate) runner: Runner,
    guardian: Guardian,
    pub(crate) audit: Audit,
    pub(crate) notes: Arc<Notes>,
    /// Whether the server was told to stop.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) started: Instant,
    /// The hash of the program that runs, once somebody has asked.
    pub(crate) program: OnceLock<Hash>,
    judging: Semaphore,
    pub(crate) beginning: Beginning,
    pub(crate) seen: Seen,
    pub(crate) reading: Arc<Semaphore>,
}

impl TargetService {
    pub(crate) fn new(
        places: Places,
        runner: Runner,
        notes: Arc<Notes>,
        pins: Arc<Pins>,
    ) -> Result<Self, StateError> {
        let store = Store::open(&places)?;
        Ok(Self(Arc::new(Shared {
            site: Site::new(places.clone())
                .opening(pins.own().local())
                .served_by(&own_unit()),
            audit: Audit::open(&places)?,
            notes,
            places,
            store,
            guardian: Guardian::of(runner.clone(), own_unit()),
            runner,
            stopping: watch::Sender::new(false),
            pins,
            started: Instant::now(),
            program: OnceLock::new(),
            judging: Semaphore::new(JUDGED_AT_ONCE),
            beginning: Beginning::default(),
            seen: Seen::default(),
            reading: Arc::new(Semaphore::new(READ_AT_ONCE)),
        })))
    }

    /// Lets those go who follow a run: it goes on without this process, and they would hold it up.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Waits until it may hold one more config in memory.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.0
            .judging
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    /// Whoever looked after a run that waits to be confirmed may have been killed.
    pub(crate) async fn see_to_guardians(&self) -> Result<(), Status> {
        let (guardian, places) = (self.0.guardian.clone(), self.0.places.clone());
        blocking(move || guardian.watch_all(&places)).await
    }

    pub(crate) async fn running(&self) -> Result<Option<Running>, Status> {
        let places = self.0.places.clone();
        blocking(move || lock::holder(&places))
            .await?
            .map_err(|error| failed(&error))
    }
}

#[async_trait]
impl Target for TargetService {
    async fn status(
        &self,
        _: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        Ok(Response::new(self.describe().await?))
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
        receive(&self.0.store, request.into_inner()).await?;
        Ok(Response::new(wire::PutBlobsReply {}))
    }

    async fn plan(
        &self,
        request: Request<wire::PlanRequest>,
    ) -> Result<Response<wire::PlanReply>, Status> {
        let caller = caller(&request)?;
        self.see_to_guardians().await?;
        let request = request.into_inner();
        let delivery = delivery(request.request)?;
        let reveal = reveal(&caller, request.reveal);
        let site = self.0.site.clone();
        let _turn = self.turn().await;
        let reply = blocking(move || {
            let looked = site.look(delivery, reveal)?;
            let confirm = looked.confirm.as_secs();
            let reply = wire::PlanReply {
                unkept: looked.unkept,
                interrupted: site.interrupted()?,
                confirm: u32::try_from(confirm).unwrap_or(u32::MAX),
                ..to_plan_reply(&looked.plan)
            };
            Ok::<_, RunError>(fit(reply))
        });
        reply
            .await?
            .map_err(|error| unplannable(&error))?
            .map(Response::new)
    }

    type ApplyStream = Events;

    async fn apply(
        &self,
        request: Request<wire::ApplyRequest>,
    ) -> Result<Response<Self::ApplyStream>, Status> {
        let caller = caller(&request)?;
        let (service, request) = (self.clone(), request.into_inner());
        Ok(events(|tell| async move {
            service.perform(&caller, request, tell).await
        }))
    }

    type AttachStream = Events;

    async fn attach(
        &self,
        request: Request<wire::AttachRequest>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let wire::AttachRequest { run, from } = request.into_inner();
        let run = self.this_or_last(run).await?;
        let service = self.clone();
        Ok(events(|tell| async move {
            service.follow(&run, from, tell).await
        }))
    }

    async fn await_free(
        &self,
        request: Request<wire::AwaitFreeRequest>,
    ) -> Result<Response<wire::AwaitFreeReply>, Status> {
        let time = request.get_ref().time().map_err(bad)?;
        let running = self.until_free(time).await?.map(Into::into);
        Ok(Response::new(wire::AwaitFreeReply { running }))
    }

    async fn cancel(
        &self,
        request: Request<wire::CancelRequest>,
    ) -> Result<Response<wire::CancelReply>, Status> {
        let caller = caller(&request)?;
        let reply = self.stop_run(&caller, &request.get_ref().run).await?;
        Ok(Response::new(reply))
    }

    async fn confirm(
        &self,
        request: Request<wire::ConfirmRequest>,
    ) -> Result<Response<wire::ConfirmReply>, Status> {
        let Peer { began, key, .. } = *session(&request)?;
        let undone = self.decide(&request.into_inner().run, began, key).await?;
        Ok(Response::new(wire::ConfirmReply {
            reverted_by: undone.by,
            stays: undone.stays,
        }))
    }

    async fn drift(
        &self,
        request: Request<wire::DriftRequest>,
    ) -> Result<Response<wire::DriftReply>, Status> {
        let caller = caller(&request)?;
        let wire::DriftRequest {
            config,
            reveal: asked,
        } = request.into_inner();
        let reveal = reveal(&caller, asked);
        let site = self.0.site.clone();
        let _turn = self.turn().await;
        let drifts = blocking(move || site.drift(&config, reveal)).await?;
        let drifts = drifts.map_err(|error| unplannable(&error))?;
        fit_drift(drifts.into_iter().map(to_wire).collect()).map(Response::new)
    }

    async fn plan_undo(
        &self,
        request: Request<wire::PlanUndoRequest>,
    ) -> Result<Response<wire::PlanUndoReply>, Status> {
        let (site, run) = (self.0.site.clone(), request.into_inner().run);
        let _turn = self.turn().await;
        let reply = blocking(move || site.plan_undo(&run)).await?;
        let reply = reply.map_err(|error| unplannable(&error))?;
        reply
            .map(Response::new)
            .ok_or_else(|| Status::not_found("there is no such run, or none that changed anything"))
    }

    async fn audit_head(
        &self,
        request: Request<wire::AuditHeadRequest>,
    ) -> Result<Response<wire::AuditHeadReply>, Status> {
        let caller = caller(&request)?;
        let own = session(&request)?.own;
        let reply = self.head_from(request.get_ref().known, &caller, own);
        Ok(Response::new(reply.await?))
    }

    type LogStream = ReceiverStream<Result<wire::LogReply, Status>>;

    async fn log(
        &self,
        request: Request<wire::LogRequest>,
    ) -> Result<Response<Self::LogStream>, Status> {
        let (tell, told) = mpsc::channel(WAITING_EVENTS);
        let own = session(&request)?.own;
        self.tell_log(request.into_inner(), own, tell).await?;
        Ok(Response::new(ReceiverStream::new(told)))
    }

    async fn why(
        &self,
        request: Request<wire::WhyRequest>,
    ) -> Result<Response<wire::WhyReply>, Status> {
        let reveal = reveal(&*caller(&request)?, request.get_ref().reveal);
        let (site, what) = (self.0.site.clone(), request.into_inner().what);
        let _turn = self.turn().await;
        let reply = blocking(move || site.why(&what, reveal)).await?;
        let reply = reply.map_err(|error| unplannable(&error))?;
        Ok(Response::new(reply))
    }

    type UpgradeStream = Events;

    async fn upgrade(
        &self,
        request: Request<wire::UpgradeRequest>,
    ) -> Result<Response<Self::UpgradeStream>, Status> {
        let caller = caller(&request)?;
        let (service, request) = (self.clone(), request.into_inner());
        Ok(events(|tell| async move {
            service.upgrade_to(&caller, request, tell).await
        }))
    }

    type UndoStream = Events;

    async fn undo(
        &self,
        request: Request<wire::UndoRequest>,
    ) -> Result<Response<Self::UndoStream>, Status> {
        let caller = caller(&request)?;
        let (service, run) = (self.clone(), request.into_inner().run);
        Ok(events(|tell| async move {
            service.undo_run(&caller, run, tell).await
        }))
    }

    async fn clients(
        &self,
        _: Request<wire::ClientsRequest>,
    ) -> Result<Response<wire::ClientsReply>, Status> {
        Ok(Response::new(self.pinned_clients().await?))
    }

    async fn authorize(
        &self,
        request: Request<wire::AuthorizeRequest>,
    ) -> Result<Response<wire::AuthorizeReply>, Status> {
        let caller = caller(&request)?;
        let reply = self.let_in(caller, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn revoke(
        &self,
        request: Request<wire::RevokeRequest>,
    ) -> Result<Response<wire::RevokeReply>, Status> {
        let caller = caller(&request)?;
        let reply = self.let_go(caller, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn succeed(
        &self,
        request: Request<wire::SucceedRequest>,
    ) -> Result<Response<wire::SucceedReply>, Status> {
        let caller = caller(&request)?;
        self.name_successor(caller, request.into_inner()).await?;
        Ok(Response::new(wire::SucceedReply {}))
    }

    async fn settle(
        &self,
        request: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleReply>, Status> {
        self.settle_keys(caller(&request)?).await?;
        Ok(Response::new(wire::SettleReply {}))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewReply>, Status> {
        let reply = self.make_new_keys(caller(&request)?).await?;
        Ok(Response::new(reply))
    }

    async fn followed(
        &self,
        request: Request<wire::FollowedRequest>,
    ) -> Result<Response<wire::FollowedReply>, Status> {
        let own = session(&request)?.own;
        self.has_followed(caller(&request)?, own).await?;
        Ok(Response::new(wire::FollowedReply {}))
    }
}

/// What is told by a task of its own, which goes on when the client is gone; why it came to nothing is the
/// last of it.
fn events<A>(act: impl FnOnce(mpsc::Sender<Result<ApplyEvent, Status>>) -> A) -> Response<Events>
where
    A: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (tell, told) = mpsc::channel(WAITING_EVENTS);
    let acted = act(tell.clone());
    tokio::spawn(async move {
        if let Err(status) = acted.await {
            let _ = tell.send(Err(status)).await;
        }
    });
    Response::new(ReceiverStream::new(told))
}

fn to_wire(drift: Drift) -> wire::Drift {
    let applied = Some(drift.applied.into());
    let (plan, unknown) = match drift.found {
        Ok(plan) => (Some((&plan).into()), String::new()),
        Err(why) => (None, why),
    };
    wire::Drift {
        config: drift.config,
        applied,
        plan,
        unknown,
    }
}

/// What a caller may see who asks for content, or not.
fn reveal(caller: &Caller, asks: bool) -> Reveal {
    if asks && caller.may_see_content() {
        Reveal::Content
    } else {
        Reveal::Outline
    }
}

fn session<T>(request: &Request<T>) -> Result<&Peer, Status> {
    request.extensions().get::<Peer>().ok_or_else(bug)
}

fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    request
        .extensions()
        .get::<Arc<Caller>>()
        .cloned()
        .ok_or_else(bug)
}

pub(crate) fn delivery(request: Option<wire::Request>) -> Result<Delivery, Status> {
    let request = request.ok_or_else(|| Status::invalid_argument("there is no config in it"))?;
    Delivery::try_from(request).map_err(bad)
}
