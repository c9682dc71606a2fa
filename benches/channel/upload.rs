//! The call that is measured: a stream of messages to the target, which answers how many bytes came.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use hpt_transport::grpc::MAX_MESSAGE;

use crate::transport::Transport;

/// The limits of [`hpt_transport::grpc`], for whoever dials.
const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const FRAME: u32 = 256 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A channel for calls, over one link.
pub(crate) async fn connect<T: Transport>(transport: &T, at: SocketAddr) -> Channel {
    let transport = transport.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let transport = transport.clone();
        async move { transport.dial(at).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://bench")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .connect_with_connector(connector)
        .await
        .expect("the target listens")
}

/// Sends `message` so many times; returns how many bytes the target says it got.
pub(crate) async fn upload(channel: &Channel, message: Bytes, times: usize) -> Result<u64, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let messages = tokio_stream::iter(std::iter::repeat_n(message, times));
    let path = PathAndQuery::from_static("/bench/Upload");
    let codec = ProstCodec::<Bytes, u64>::default();
    let answer = client.client_streaming(Request::new(messages), path, codec);
    answer.await.map(Response::into_inner)
}

/// The target's side: counts and forgets.
#[derive(Clone)]
pub(crate) struct Sink;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl tonic::server::ClientStreamingService<Bytes> for Sink {
    type Response = u64;
    type Future = Answer<Response<u64>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut got = 0;
            while let Some(message) = messages.message().await? {
                got += u64::try_from(message.len()).expect("a message fits memory");
            }
            Ok(Response::new(got))
        })
    }
}

impl tower::Service<http::Request<Body>> for Sink {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut server = tonic::server::Grpc::new(ProstCodec::<u64, Bytes>::default())
                .max_decoding_message_size(MAX_MESSAGE);
            Ok(server.client_streaming(Sink, request).await)
        })
    }
}
