//! Blobs on their way to a target: a few streams beside each other, read on threads of their own.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hpt_proto::wire::PutBlobsRequest;
use hpt_proto::wire::target_client::TargetClient;
use hpt_provisioner::host::Hash;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use crate::error::{CommandError, Exit};
use crate::print::{plural, size};
use crate::sources::{Origin, Sources};
use crate::terminal::Terminal;

/// Streams beside each other: reading, sealing and the target's writing then overlap.
const STREAMS: usize = 2;
/// Bytes of a message, and how many wait between the thread that reads and the one that seals.
const CHUNK: usize = 256 << 10;
const WAITING: usize = 4;
/// How often a person is told how far it is.
const TELL: Duration = Duration::from_millis(100);

/// Why blobs did not arrive.
pub(crate) enum Failure {
    /// They could not be read here.
    Source(CommandError),
    /// The target did not take them.
    Refused(Status),
}

/// Sends these blobs. When this returns they are durable there.
pub(crate) async fn send(
    client: &TargetClient<Channel>,
    missing: &[Hash],
    sources: &Sources,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let known: Vec<_> = missing
        .iter()
        .filter_map(|hash| Some((*hash, sources.origin(hash)?)))
        .collect();
    let all: u64 = known.iter().map(|(_, origin)| origin.size).sum();
    let sent = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for share in shares(&known) {
        let (chunks, receive) = mpsc::channel(WAITING);
        let sent = Arc::clone(&sent);
        let share: Vec<_> = share
            .into_iter()
            .map(|(hash, origin)| (hash, origin.clone()))
            .collect();
        let reading = tokio::task::spawn_blocking(move || read(&share, &chunks, &sent));
        let mut client = client.clone();
        streams.spawn(async move {
            let put = client.put_blobs(ReceiverStream::new(receive)).await;
            let read = reading.await.expect("reading does not panic");
            // A source that could not be read has cut the stream, and is the reason.
            read.map_err(Failure::Source)?;
            put.map(drop).map_err(Failure::Refused)
        });
    }
    let mut tick = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            ended = streams.join_next() => match ended {
                None => return Ok(()),
                Some(ended) => ended.expect("sending does not panic")?,
            },
            _ = tick.tick() => {
                let done = sent.load(Ordering::Relaxed);
                let percent = (done * 100).checked_div(all).unwrap_or(100);
                terminal.passing(format_args!("sending {}, {}: {percent} %", plural(known.len(), "file"), size(all)));
            }
        }
    }
}

/// Deals blobs out so that no stream has much more than another.
fn shares<'a>(blobs: &[(Hash, &'a Origin)]) -> Vec<Vec<(Hash, &'a Origin)>> {
    let mut blobs = blobs.to_vec();
    blobs.sort_by_key(|(_, origin)| std::cmp::Reverse(origin.size));
    let mut shares: Vec<(u64, Vec<_>)> = Vec::new();
    shares.resize_with(STREAMS.min(blobs.len()), Default::default);
    for (hash, origin) in blobs {
        let least = shares
            .iter_mut()
            .min_by_key(|(bytes, _)| *bytes)
            .expect("a blob has a stream");
        least.0 += origin.size + 1024; // a blob costs something even if it is empty
        least.1.push((hash, origin));
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// Reads blobs into messages until all are read or nobody takes them any more.
fn read(
    blobs: &[(Hash, Origin)],
    to: &mpsc::Sender<PutBlobsRequest>,
    sent: &AtomicU64,
) -> Result<(), CommandError> {
    let failed = |why: &dyn std::fmt::Display| {
        CommandError::new(Exit::Failed, format!("cannot read a source again: {why}"))
    };
    for (hash, origin) in blobs {
        let size = origin.size;
        let mut from = origin.open().map_err(|why| failed(&why))?;
        let mut message = PutBlobsRequest {
            hash: hash.as_bytes().to_vec(),
            size,
            chunk: Bytes::new(),
        };
        let mut left = size;
        loop {
            let next = left.min(u64::try_from(CHUNK).expect("a chunk is short"));
            let mut chunk = vec![0; usize::try_from(next).expect("a chunk is short")];
            from.read_exact(&mut chunk)
                .map_err(|_| failed(&"it was made shorter while it was sent"))?;
            message.chunk = chunk.into();
            if to.blocking_send(message).is_err() {
                return Ok(()); // the call's own status says why
            }
            sent.fetch_add(next, Ordering::Relaxed);
            left -= next;
            if left == 0 {
                break;
            }
            message = PutBlobsRequest {
                hash: Vec::new(),
                size: 0,
                chunk: Bytes::new(),
            };
        }
    }
    Ok(())
}
