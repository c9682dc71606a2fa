//! A stream of blobs, from the network to the thread that writes them.

use hpt_proto::convert::hash;
use hpt_proto::wire::PutBlobsRequest;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::blobs::Store;
use crate::put::{Batch, PutError};
use crate::refusal::{blocking, bug, put_status};

/// Messages that wait to be written; together at most 8 MiB, so that nobody fills the memory.
const WAITING: usize = 4;

/// A part of a stream of blobs, on its way to the thread that writes.
enum Part {
    Message(PutBlobsRequest),
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
    Ok(()) // cut; nobody listens
}

/// Takes in all that is sent. The next message is received while the last is hashed and written.
pub(crate) async fn receive(
    store: &Store,
    mut incoming: Streaming<PutBlobsRequest>,
) -> Result<(), Status> {
    let (send, parts) = mpsc::channel(WAITING);
    let store = store.clone();
    let writing = tokio::spawn(blocking(move || take_in(&store, parts)));
    // A stream that is cut ends here, and the writer drops what it has.
    while let Some(message) = incoming.message().await? {
        if send.send(Part::Message(message)).await.is_err() {
            break; // refused; the writer says why
        }
    }
    let _ = send.send(Part::End).await;
    let written = writing.await.map_err(|_| bug())??;
    written.map_err(|error| put_status(&error))
}
