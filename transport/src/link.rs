//! An authenticated, encrypted byte stream between two ends that pinned each other.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use snow::TransportState;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use hpt_keystore::PublicKey;

use crate::handshake::Established;
use crate::record::{Opened, Opener, Sealer};
use crate::session::Session;
use crate::wire::SESSION_AGE;

/// Asked of the network at once: a few records.
const READ: usize = 64 * 1024;

/// A byte stream to one authenticated peer.
///
/// Reads give whole, authenticated plaintext or an error; after the first error the link stays
/// broken. Writes are held back until they fill a record or are flushed. An end of file is *not*
/// authenticated, since TCP lets anyone between cut a stream: success has to be said in words
/// above (H12). Inside a record it is an error here.
pub struct Link<S = TcpStream> {
    io: S,
    noise: TransportState,
    peer: PublicKey,
    own: PublicKey,
    hash: [u8; 32],
    opener: Opener,
    sealer: Sealer,
    broken: bool,
    /// Ends the session at its age limit.
    old: Pin<Box<Sleep>>,
    /// At a responder: its place among the live sessions, which can be taken away.
    session: Option<Session>,
}

/// Why a link broke; the source of the [`io::Error`]s it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// A record was altered on the way, or the peer is not what it was.
    #[error("a record of the peer does not decrypt")]
    BadRecord,
    /// The connection ended inside a record.
    #[error("the connection was cut inside a record")]
    Truncated,
    /// The peer's key left the list of pins.
    #[error("the peer's key is no longer pinned")]
    Revoked,
    /// The session is 24 hours old.
    #[error("the session reached its age limit of 24 hours")]
    TooOld,
    /// The link broke before.
    #[error("the link is broken since an earlier error")]
    Broken,
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> Self {
        let kind = match error {
            LinkError::BadRecord => io::ErrorKind::InvalidData,
            LinkError::Truncated => io::ErrorKind::UnexpectedEof,
            LinkError::Revoked => io::ErrorKind::PermissionDenied,
            LinkError::TooOld | LinkError::Broken => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

impl<S> Link<S> {
    pub(crate) fn new(io: S, established: Established, session: Option<Session>) -> Self {
        let Established {
            noise,
            peer,
            own,
            hash,
        } = established;
        Self {
            io,
            noise,
            peer,
            own,
            hash,
            opener: Opener::new(),
            sealer: Sealer::new(Instant::now()),
            broken: false,
            old: Box::pin(sleep(SESSION_AGE)),
            session,
        }
    }

    /// The key that the other end has proved to hold.
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// The key of this end by which the other one knows it.
    pub fn own(&self) -> PublicKey {
        self.own
    }

    /// 32 bytes that name this session: equal at both ends, never seen in another (H13).
    pub fn handshake_hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The stream underneath, to ask it for its addresses.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// Marks the link broken for good.
    fn breaks(&mut self, error: impl Into<io::Error>) -> io::Error {
        self.broken = true;
        self.sealer.rest();
        error.into()
    }

    /// Errs once the session is over, and sees to it that the reading task learns when it will be.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.check_over()?;
        if self.old.as_mut().poll(cx).is_ready() {
            return Err(self.breaks(LinkError::TooOld));
        }
        if let Some(session) = &mut self.session
            && session.poll_revoked(cx).is_ready()
        {
            return Err(self.breaks(LinkError::Revoked));
        }
        Ok(())
    }

    /// Errs once the session is over. For writers, who may be another task than the reader: only
    /// one of them can be woken, and only the reader waits without an end.
    fn check_over(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(LinkError::Broken.into());
        }
        if Instant::now() >= self.old.deadline() {
            return Err(self.breaks(LinkError::TooOld));
        }
        if self.session.as_mut().is_some_and(Session::is_revoked) {
            return Err(self.breaks(LinkError::Revoked));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> Link<S> {
    /// Reads more sealed bytes; `false` is the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let sealed = &mut self.opener.sealed;
        sealed.reserve(READ);
        let read = pin!(self.io.read_buf(sealed)).poll(cx);
        if read.is_pending() && self.opener.sealed.is_empty() {
            self.opener.sealed = BytesMut::new(); // an idle link holds no buffer (H11)
        }
        read.map_ok(|bytes| bytes > 0)
    }
}

impl<S: AsyncWrite + Unpin> Link<S> {
    /// Hands sealed bytes to the network until it has all of them, or until there is room again.
    fn poll_drain(&mut self, cx: &mut Context<'_>, all: bool) -> Poll<io::Result<()>> {
        while self.sealer.is_full() || (all && !self.sealer.unsent().is_empty()) {
            let written = Pin::new(&mut self.io).poll_write(cx, self.sealer.unsent());
            match ready!(written) {
                Ok(0) => return Poll::Ready(Err(self.breaks(io::ErrorKind::WriteZero))),
                Ok(bytes) => self.sealer.sent(bytes),
                Err(error) => return Poll::Ready(Err(self.breaks(error))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Link<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &mut *self;
        link.poll_over(cx)?;
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match link.opener.open(&mut link.noise, out) {
                Ok(Opened::Data) => return Poll::Ready(Ok(())),
                Ok(Opened::Incomplete) => {}
                Err(_) => return Poll::Ready(Err(link.breaks(LinkError::BadRecord))),
            }
            match ready!(link.poll_fill(cx)) {
                Ok(true) => {}
                Ok(false) if link.opener.sealed.is_empty() => return Poll::Ready(Ok(())),
                Ok(false) => return Poll::Ready(Err(link.breaks(LinkError::Truncated))),
                Err(error) => return Poll::Ready(Err(link.breaks(error))),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        let link = &mut *self;
        link.check_over()?;
        ready!(link.poll_drain(cx, false))?;
        Poll::Ready(Ok(link.sealer.push(&mut link.noise, plaintext)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let link = &mut *self;
        link.check_over()?;
        ready!(link.poll_drain(cx, false))?;
        let mut taken = 0;
        for slice in slices {
            let part = link.sealer.push(&mut link.noise, slice);
            taken += part;
            if part < slice.len() {
                break;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &mut *self;
        link.check_over()?;
        link.sealer.seal_staged(&mut link.noise);
        ready!(link.poll_drain(cx, true))?;
        link.sealer.rest();
        Pin::new(&mut link.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::tamper::Ends;

    type Pipe = Link<DuplexStream>;

    fn pair() -> (Pipe, Pipe) {
        let (ours, theirs) = duplex(1 << 20);
        let (client, target) = Ends::new().session();
        (
            Link::new(ours, client, None),
            Link::new(theirs, target, None),
        )
    }

    /// A link, and the raw bytes that its peer sealed for it, record by record.
    async fn wiretapped(records: &[&[u8]]) -> (Pipe, DuplexStream, Vec<Vec<u8>>) {
        let (tapped, mut tap) = duplex(1 << 20);
        let (ours, theirs) = duplex(1 << 20);
        let (client, target) = Ends::new().session();
        let mut client = Link::new(tapped, client, None);
        let mut sealed = Vec::new();
        for record in records {
            client.write_all(record).await.unwrap();
            client.flush().await.unwrap();
            let mut bytes = vec![0; record.len() + 18];
            tap.read_exact(&mut bytes).await.unwrap();
            sealed.push(bytes);
        }
        (Link::new(ours, target, None), theirs, sealed)
    }

    fn why(error: io::Error) -> LinkError {
        error.downcast().unwrap()
    }

    #[tokio::test]
    async fn bytes_go_both_ways() {
        let (mut client, mut target) = pair();
        for size in [1, 1000, 16_368, 100_000] {
            let said = vec![7; size];
            let mut heard = vec![0; size];
            client.write_all(&said).await.unwrap();
            client.flush().await.unwrap();
            target.read_exact(&mut heard).await.unwrap();
            assert!(heard == said);
            target.write_all(&said).await.unwrap();
            target.flush().await.unwrap();
            client.read_exact(&mut heard).await.unwrap();
        }
        client.shutdown().await.unwrap();
        assert_eq!(target.read(&mut [0; 1]).await.unwrap(), 0);
    }

    /// H10: a bent record delivers nothing, and the link is dead both ways from then on.
    #[tokio::test]
    async fn a_bad_record_kills_the_link() {
        let (mut target, mut wire, mut sealed) = wiretapped(&[b"first", b"second"]).await;
        sealed[1][4] ^= 1;
        wire.write_all(&sealed.concat()).await.unwrap();
        let mut heard = [0; 64];
        assert_eq!(target.read(&mut heard).await.unwrap(), 5);
        assert_eq!(&heard[..6], b"first\0");
        let error = target.read(&mut heard[5..]).await.unwrap_err();
        assert_eq!(why(error), LinkError::BadRecord);
        assert_eq!(heard[5..], [0; 59]);
        let again = target.read(&mut heard).await.unwrap_err();
        assert_eq!(why(again), LinkError::Broken);
        let write = target.write(b"no").await.unwrap_err();
        assert_eq!(why(write), LinkError::Broken);
    }

    /// A record that is dropped, repeated or swapped does not open in another's place.
    #[tokio::test]
    async fn records_keep_their_order() {
        let said: [&[u8]; 3] = [b"one", b"two", b"three"];
        for order in [[1, 2], [0, 0], [0, 2]] {
            let (mut target, mut wire, sealed) = wiretapped(&said).await;
            for record in order {
                wire.write_all(&sealed[record]).await.unwrap();
            }
            let mut heard = [0; 16];
            if order[0] == 0 {
                target.read_exact(&mut heard[..3]).await.unwrap();
            }
            let error = target.read(&mut heard).await.unwrap_err();
            assert_eq!(why(error), LinkError::BadRecord);
        }
    }

    /// H12: between records the end says nothing; inside a record it is an error.
    #[tokio::test]
    async fn a_cut_record_is_no_end() {
        for cut in 0..=40 {
            let (mut target, mut wire, sealed) = wiretapped(&[b"ab", b"cd"]).await;
            wire.write_all(&sealed.concat()[..cut]).await.unwrap();
            drop(wire);
            let mut heard = Vec::new();
            let end = target.read_to_end(&mut heard).await;
            assert_eq!(heard, &b"abcd"[..cut / 20 * 2]);
            match cut % 20 {
                0 => assert!(end.is_ok()),
                _ => assert_eq!(why(end.unwrap_err()), LinkError::Truncated),
            }
        }
    }

    #[tokio::test]
    async fn a_broken_write_stays_broken() {
        let (mut client, target) = pair();
        drop(target);
        client.write_all(b"lost").await.unwrap();
        client.flush().await.unwrap_err();
        let error = client.write(b"more").await.unwrap_err();
        assert_eq!(why(error), LinkError::Broken);
    }

    /// H11: whatever it is doing, a session ends after a day.
    #[tokio::test(start_paused = true)]
    async fn a_day_is_enough() {
        let (mut client, mut target) = pair();
        let begin = Instant::now();
        let error = target.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(why(error), LinkError::TooOld);
        assert_eq!(begin.elapsed().as_secs(), SESSION_AGE.as_secs());
        tokio::time::advance(Duration::from_secs(1)).await;
        let error = client.write(b"late").await.unwrap_err();
        assert_eq!(why(error), LinkError::TooOld);
    }

    #[tokio::test]
    async fn an_idle_link_holds_no_buffers() {
        let (mut client, mut target) = pair();
        let mut bytes = vec![1; 50_000];
        client.write_all(&bytes).await.unwrap();
        client.flush().await.unwrap();
        target.read_exact(&mut bytes).await.unwrap();
        let idle = tokio::time::timeout(Duration::ZERO, target.read(&mut [0; 1])).await;
        assert!(idle.is_err(), "nothing more to read");
        assert_eq!(target.opener.sealed.capacity(), 0);
        assert_eq!(client.sealer.capacity(), 0);
    }
}
