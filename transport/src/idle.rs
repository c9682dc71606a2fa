//! Sessions in which no call runs end after a while (C2).
//!
//! Bytes do not count: HTTP/2 pings keep a session that nobody uses as lively as any other.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Monotonic};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The calls of one session. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    running: usize,
    /// When the last one ended, or else the session began.
    since: Instant,
}

/// One call, which runs until this is dropped.
pub(crate) struct Running(Calls);

impl Calls {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            running: 0,
            since: Instant::now(),
        })))
    }

    pub(crate) fn begin(&self) -> Running {
        self.lock().running += 1;
        Running(self.clone())
    }

    /// When nothing has run since; now, if something does.
    fn idle_since(&self) -> Instant {
        match *self.lock() {
            State { running: 0, since } => since,
            State { .. } => Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it counts calls")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.since = Instant::now();
    }
}

/// The socket of an accepted connection, which fails to be read once it was idle for too long.
pub struct Accepted {
    tcp: TcpStream,
    began: Monotonic,
    calls: Calls,
    limit: Duration,
    next_look: Pin<Box<Sleep>>,
}

impl Accepted {
    pub(crate) fn new(tcp: TcpStream, limit: Duration) -> Self {
        Self {
            tcp,
            began: Monotonic::now(),
            calls: Calls::new(),
            limit,
            next_look: Box::pin(sleep_until(Instant::now() + limit)),
        }
    }

    /// The socket itself, to ask it for its addresses.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// When it was accepted, before its handshake.
    pub(crate) fn began(&self) -> Monotonic {
        self.began
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Ready when no call has run for the limit.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next_look.as_mut().poll(cx).is_ready() {
            let end = self.calls.idle_since() + self.limit;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.next_look.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_idle(cx).is_ready() {
            let why = format!("no call in {:?}", self.limit);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        Pin::new(&mut self.tcp).poll_read(cx, out)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
