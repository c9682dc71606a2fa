//! The audit of a target: its head, held against the one that was seen before, and its records.

use std::path::Path;

use hpt_agent::audit::Head;
use hpt_keystore::{TargetName, VerifyingKey};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, AuditHeadRequest, LogRequest, Renewal};
use hpt_transport::grpc;
use serde::Serialize;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::error::CommandError;
use crate::heads::{Kept, Signed};
use crate::link::was_cut;
use crate::print::style::FAILED;
use crate::remote::Remote;
use crate::terminal::{Terminal, visible};

/// The audit of a target is not what it was. In words: "it ends at record 3".
pub(crate) struct Alarm(pub(crate) String);

#[derive(Serialize)]
struct Object<'a> {
    event: &'static str,
    target: &'a str,
    broken: &'a str,
}

impl Alarm {
    /// Says so, whatever else was asked for; the command goes on.
    pub(crate) fn show(&self, name: &TargetName, terminal: &mut Terminal) {
        let why = visible(&self.0);
        terminal.complain(format_args!(
            "{FAILED}warning{FAILED:#}: {name}'s audit was cut or forked: {why}\n  \
             hint: `hpt --target {name} audit verify` reads all of it; somebody with root there has \
             changed it, its state was lost, or another host answers with a copy of its keys\n  \
             hint: `hpt --target {name} audit accept` goes on from what is there now"
        ));
        terminal.json(&Object {
            event: "audit",
            target: name.as_str(),
            broken: &self.0,
        });
    }
}

/// The audit of one target: the key that signs it, and where its head is kept.
#[derive(Clone)]
pub(crate) struct Watch {
    signing: VerifyingKey,
    pub(crate) kept: Kept,
}

impl Watch {
    /// Of the target with this key, for the clients of a keystore.
    pub(crate) fn of(keystore: &Path, signing: VerifyingKey) -> Self {
        let kept = Kept::of(keystore, &signing);
        Self { signing, kept }
    }

    /// Has the target show that its audit goes on from the head that was seen before, and keeps where it
    /// has come to. A target that does not answer at all is left to the other calls. The keys that it has by
    /// now instead of those that are pinned here, if it says that there are such.
    pub(crate) async fn look(
        self,
        mut client: TargetClient<Channel>,
    ) -> Result<Option<Renewal>, Alarm> {
        let kept = self.kept.read().map_err(|why| {
            let path = self.kept.path().display();
            Alarm(format!(
                "{path}, which tells what it was, cannot be read: {why}"
            ))
        })?;
        let Some(kept) = kept else {
            // Nothing was seen of it yet: what is there now is what counts from here on.
            let Ok(reply) = client.audit_head(AuditHeadRequest::default()).await else {
                return Ok(None);
            };
            let reply = reply.into_inner();
            if let Some(head) = &reply.head {
                self.keep(&self.signed(head)?);
            }
            return Ok(reply.renewal);
        };
        let mut walked = kept;
        let renewal;
        let now = loop {
            let known = walked.seq;
            let reply = match client.audit_head(AuditHeadRequest { known }).await {
                Ok(reply) => reply.into_inner(),
                Err(status) if is_silent(&status) => return Ok(None),
                Err(status) if status.code() == Code::Unimplemented => {
                    return Err(Alarm("it is not there any more".to_owned()));
                }
                Err(status) => return Err(Alarm(status.message().to_owned())),
            };
            let now = reply.head.map(|head| self.signed(&head)).transpose()?;
            let end = now.map_or(0, |now| now.head.seq);
            let seen = kept.seq;
            let Some(now) = now.filter(|_| end >= known) else {
                let what = format!("it ends at record {end}, and record {seen} was there earlier");
                return Err(Alarm(what));
            };
            let links = reply.links.chunks_exact(blake3::OUT_LEN);
            for words in links.take(usize::try_from(end - known).unwrap_or(usize::MAX)) {
                walked.follow(blake3::Hash::from_slice(words).expect("32 bytes"));
            }
            if walked.seq == end {
                renewal = reply.renewal;
                break now;
            }
            if walked.seq == known {
                let what = "it does not say what leads from record";
                return Err(Alarm(format!("{what} {known} to record {end}")));
            }
        };
        if now.head == kept {
            return Ok(renewal);
        }
        if now.head.seq == kept.seq {
            let what = "is another than the one that was there earlier";
            return Err(Alarm(format!("record {} {what}", kept.seq)));
        }
        if now.head != walked {
            let (end, seen) = (now.head.seq, kept.seq);
            let what =
                format!("its records up to {end} do not follow from record {seen} as it was");
            return Err(Alarm(what));
        }
        self.keep(&now);
        Ok(renewal)
    }

    /// Keeps a head as the one that was seen last.
    pub(crate) fn keep(&self, signed: &Signed) {
        if let Err(why) = self.kept.keep(signed) {
            let path = self.kept.path().display();
            tracing::warn!("{path}: cannot keep the head of the audit: {why}");
        }
    }

    fn signed(&self, told: &wire::Head) -> Result<Signed, Alarm> {
        let bad = || Alarm("its head is not signed with the key that is pinned here".to_owned());
        let hash: [u8; 32] = told.hash[..].try_into().map_err(|_| bad())?;
        let signature: [u8; 64] = told.signature[..].try_into().map_err(|_| bad())?;
        let (seq, hash) = (told.seq, hash.into());
        let head = Head { seq, hash };
        head.verify(&self.signing, &signature).map_err(|_| bad())?;
        Ok(Signed { head, signature })
    }
}

/// Whether the target did not answer at all: the other calls say so.
fn is_silent(status: &Status) -> bool {
    was_cut(status) || grpc::dial_error(status).is_some()
}

impl Remote {
    /// Warns, once, if the look at the target's audit found that it is not what it was; and follows if the
    /// target has new keys.
    pub(crate) async fn heed(&mut self, terminal: &mut Terminal) {
        let Some(look) = self.look.take() else {
            return;
        };
        match look.await {
            Ok(Ok(Some(told))) => match self.heed_renewal(told).await {
                Ok(None) => {}
                Ok(Some(words)) => terminal.note(format_args!("{} {words}", self.name)),
                Err(why) => terminal.note(format_args!(
                    "{} has new keys, which are not pinned here yet: {}",
                    self.name,
                    why.words()
                )),
            },
            Ok(Err(alarm)) => alarm.show(&self.name, terminal),
            _ => {}
        }
    }

    /// Keeps the head as it is now, whatever was seen before.
    pub(crate) async fn accept_audit(&mut self) -> Result<Option<Head>, CommandError> {
        let reply = self.client.audit_head(AuditHeadRequest::default()).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let Some(head) = reply.head else {
            return Ok(None);
        };
        let signed = self
            .audit
            .signed(&head)
            .map_err(|alarm| self.alarmed(&alarm))?;
        self.audit.keep(&signed);
        Ok(Some(signed.head))
    }

    /// Hands over the lines of records as they come, and the head at the end of them, if the last
    /// record there is whole.
    pub(crate) async fn log(
        &mut self,
        request: LogRequest,
        each: &mut dyn FnMut(&str) -> Result<(), CommandError>,
    ) -> Result<Option<Signed>, CommandError> {
        let reply = self.client.log(request).await;
        let mut lines = reply.map_err(|status| self.refused(&status))?.into_inner();
        let mut head = None;
        while let Some(reply) = lines
            .message()
            .await
            .map_err(|status| self.refused(&status))?
        {
            if reply.record.is_empty() {
                head = reply.head;
            } else {
                each(&reply.record)?;
            }
        }
        let head = head.map(|head| self.audit.signed(&head)).transpose();
        head.map_err(|alarm| self.alarmed(&alarm))
    }

    pub(crate) fn alarmed(&self, alarm: &Alarm) -> CommandError {
        let what = format!("{}: {}", self.name, visible(&alarm.0));
        CommandError::new(crate::error::Exit::Failed, what)
    }
}
