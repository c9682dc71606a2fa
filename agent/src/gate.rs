//! In front of every call: who is it, and may they. No handler is reached otherwise (U3).

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use hpt_transport::grpc::Peer;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request, Response};
use tower::Service;

use crate::grants::{Caller, Refused};
use crate::notes::Notes;
use crate::pins::Pins;

/// A service behind the table of grants. The inner one finds the [`Caller`] among the extensions.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    pins: Arc<Pins>,
    notes: Arc<Notes>,
}

impl<S> Gate<S> {
    pub(crate) fn new(inner: S, pins: Arc<Pins>, notes: Arc<Notes>) -> Self {
        Self { inner, pins, notes }
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<Arc<Caller>, Status> {
        let peer = request.extensions().get::<Peer>();
        // A pin may go while its session lives; the session follows within 2 s (R2).
        let now = self.notes.now();
        let caller = peer.and_then(|peer| self.pins.caller(peer.key, now));
        let caller =
            caller.ok_or_else(|| Status::unauthenticated("this key is not pinned here"))?;
        match caller.may(request.uri().path()) {
            Ok(()) => Ok(caller),
            Err(refused @ Refused::Unknown) => Err(Status::unimplemented(refused.to_string())),
            Err(refused @ Refused::Lacks { .. }) => {
                tracing::warn!(
                    "{} was refused {}: {refused}",
                    caller.name,
                    request.uri().path()
                );
                let rpc = request.uri().path().rsplit('/').next().unwrap_or_default();
                // These two every client tries, whatever it was told to do.
                if !matches!(rpc, "Status" | "AuditHead") {
                    self.notes.call_refused(&caller, rpc, &refused.to_string());
                }
                Err(Status::permission_denied(refused.to_string()))
            }
        }
    }
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.admit(&request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Box::pin(self.inner.call(request))
            }
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}
