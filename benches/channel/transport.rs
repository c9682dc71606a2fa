//! What the bench asks of a transport: links from two ends of this process that trust each other.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

/// Links that are mutually authenticated, encrypted, and over TCP on loopback.
pub(crate) trait Transport: Clone + Send + Sync + 'static {
    /// The end that dialled.
    type Ours: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// The end that listened.
    type Theirs: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static;

    /// Listens on a free port until the stream is dropped; yields links whose handshake is done.
    async fn listen(
        &self,
    ) -> (
        SocketAddr,
        impl Stream<Item = io::Result<Self::Theirs>> + Send + 'static,
    );

    /// Connects and shakes hands.
    fn dial(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Ours>> + Send;
}
