//! The calls about the audit: how far it has come, and what is in it.

use std::sync::Arc;
use std::time::Duration;

use hpt_keystore::{PublicKey, SigningKey};
use hpt_proto::wire::{self, AuditHeadReply, LogReply, LogRequest};
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;
use tonic::Status;

use crate::audit::Head;
use crate::grants::Caller;
use crate::pinning::renewal_to_wire;
use crate::refusal::{blocking, failed};
use crate::service::TargetService;

/// How long a session by keys that are gone may still be there, at the most.
const CLOSING: Duration = Duration::from_secs(5);

impl TargetService {
    /// The head of the audit, and the proof that it goes on from the record of this number.
    pub(crate) async fn head_from(
        &self,
        known: u64,
        caller: &Caller,
        own: PublicKey,
    ) -> Result<AuditHeadReply, Status> {
        let audit = self.0.audit.clone();
        let signing = self.signing(&own).await?;
        let looked = blocking(move || audit.head_from(known)).await?;
        let (head, links) = looked.map_err(|error| failed(&error))?;
        let renewal = self.0.pins.own().renewal_for(&caller.name);
        Ok(AuditHeadReply {
            head: signed(head, &signing),
            links: links.iter().flat_map(|link| *link.as_bytes()).collect(),
            renewal: renewal.as_ref().map(renewal_to_wire),
        })
    }

    /// Tells records, and behind them the head.
    pub(crate) async fn tell_log(
        &self,
        asked: LogRequest,
        own: PublicKey,
        tell: Sender<Result<LogReply, Status>>,
    ) -> Result<(), Status> {
        let LogRequest { from, limit } = asked;
        let service = self.clone();
        let signing = self.signing(&own).await?;
        let reading = Arc::clone(&self.0.reading).acquire_owned().await;
        let reading = reading.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            let _reading = reading;
            let read = service.0.audit.read(from, limit, &mut |record| {
                let record = LogReply { record, head: None };
                tell.blocking_send(Ok(record)).is_ok()
            });
            // A damaged end has no head; its records were told, and say so themselves.
            let end = read.map(|head| LogReply {
                record: String::new(),
                head: head.and_then(|head| signed(head, &signing)),
            });
            let _ = tell.blocking_send(end.map_err(|error| failed(&error)));
        });
        Ok(())
    }

    /// The key that a session's client expects to sign. A session by keys that are gone is closed in a moment,
    /// and gets no other answer: its client would take it for an audit that was tampered with.
    async fn signing(&self, own: &PublicKey) -> Result<Arc<SigningKey>, Status> {
        if let Some(signing) = self.0.pins.own().signing(own) {
            return Ok(signing);
        }
        sleep(CLOSING).await;
        Err(Status::unavailable("this target has other keys by now"))
    }
}

/// In the target's own words.
fn signed(head: Head, key: &SigningKey) -> Option<wire::Head> {
    (head.seq > 0).then(|| wire::Head {
        seq: head.seq,
        hash: head.hash.as_bytes().to_vec(),
        signature: head.sign(key).to_vec(),
    })
}
