//! A target that lies in every answer that it can give.

use hpt_keystore::{Keypair, target};
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::target_server::{Target, TargetServer};
use hpt_proto::wire::{self, ApplyEvent, Finished, Note, Output, Planned, Report, Started};
use hpt_transport::{AllowList, Limits, LocalKey, Pin, bind, grpc, listen};
use tokio_stream::Iter;
use tonic::{Request, Response, Status, async_trait};

use super::sequences::{known, random_sequences};
use super::serving::Place;

/// What the target does when it is asked to apply.
#[derive(Clone, Copy)]
pub(crate) enum Malice {
    /// Writes this many random sequences after the known ones.
    Writes(u32),
    /// Ends the session without a result.
    Leaves,
    /// Tells of a block that is not in the plan.
    Invents,
}

#[derive(Clone)]
pub(crate) struct Evil(pub(crate) Malice);

pub(crate) const EVIL: &str = "\x1b]0;pwned\x07\x1b[2J\u{9b}31m\r\n\u{202e}changed  file:/FORGED";

impl Evil {
    /// Serves as web1 until the test's process ends.
    pub(crate) fn serve(self) -> Place {
        let place = Place::new();
        let path = place.path("web1.keystore");
        let keys = target::load(&path).unwrap();
        let pins = keys.clients.into_iter().map(|client| Pin {
            key: client.identity.channel,
            psk: client.psk,
        });
        let allow = AllowList::new(pins.collect());
        let port = place.port;
        let (ready, listening) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let tcp = bind(([127, 0, 0, 1], port).into()).unwrap();
                let own = LocalKey::new(keys.own.open(&path, None).unwrap().channel);
                let incoming = listen(tcp, own, allow, Limits::default());
                ready.send(()).unwrap();
                let target = TargetServer::new(self);
                let forever = std::future::pending();
                let serving =
                    grpc::server().serve_with_incoming_shutdown(target, incoming, forever);
                serving.await.unwrap();
            });
        });
        listening.recv().unwrap();
        place.write("site.toml", "[[file]]\npath = \"/x\"\ncontent = \"x\"\n");
        place
    }
}

#[async_trait]
impl Target for Evil {
    async fn status(
        &self,
        _: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        let text = || EVIL.to_owned();
        let running = wire::Running {
            run: text(),
            by: text(),
            since: 7,
        };
        Ok(Response::new(wire::StatusReply {
            version: text(),
            hostname: text(),
            system: text(),
            uptime: u64::MAX,
            running: Some(running),
            confirming: Some(wire::Confirming {
                run: Some(wire::Running {
                    run: EVIL.to_owned(),
                    by: EVIL.to_owned(),
                    since: 0,
                }),
                left: 7,
                ..wire::Confirming::default()
            }),
            interrupted: Some(wire::Interrupted {
                run: None,
                done: vec![text()],
                in_doubt: vec![text()],
                not_started: u32::MAX,
                commands: vec![text()],
            }),
            doing: Some(wire::Doing {
                config: text(),
                undoes: text(),
                block: text(),
                cancelled_by: text(),
            }),
            program: text().into_bytes(),
        }))
    }

    async fn facts(
        &self,
        _: Request<wire::FactsRequest>,
    ) -> Result<Response<wire::FactsReply>, Status> {
        let json = serde_json::json!({ EVIL: EVIL, "list": [EVIL], "nested": { EVIL: EVIL } });
        Ok(Response::new(wire::FactsReply {
            json: json.to_string(),
        }))
    }

    async fn health(
        &self,
        _: Request<wire::HealthRequest>,
    ) -> Result<Response<wire::HealthReply>, Status> {
        Err(Status::unimplemented(EVIL))
    }

    async fn missing_blobs(
        &self,
        _: Request<wire::MissingBlobsRequest>,
    ) -> Result<Response<wire::MissingBlobsReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn put_blobs(
        &self,
        _: Request<tonic::Streaming<wire::PutBlobsRequest>>,
    ) -> Result<Response<wire::PutBlobsReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn plan(
        &self,
        request: Request<wire::PlanRequest>,
    ) -> Result<Response<wire::PlanReply>, Status> {
        if request.get_ref().request.as_ref().unwrap().files[0]
            .name
            .contains("refuse")
        {
            return Err(Status::failed_precondition(EVIL));
        }
        let line = |tag: wire::line::Tag| wire::Line {
            tag: tag.into(),
            text: EVIL.to_owned(),
        };
        let diff = wire::Diff {
            path: EVIL.to_owned(),
            lines: vec![
                line(wire::line::Tag::Same),
                line(wire::line::Tag::Old),
                line(wire::line::Tag::New),
            ],
        };
        let details = [
            wire::detail::Kind::Text(EVIL.to_owned()),
            wire::detail::Kind::Diff(diff),
        ];
        let planned = |verdict: wire::Verdict| Planned {
            id: format!("file:{EVIL}"),
            file: format!("../../.ssh/{EVIL}"),
            line: 1,
            verdict: verdict.into(),
            summary: EVIL.to_owned(),
            details: details
                .iter()
                .map(|kind| wire::Detail {
                    kind: Some(kind.clone()),
                })
                .collect(),
            mark: 7,
        };
        let plan = wire::Plan {
            digest: vec![7; 32],
            blocks: vec![
                planned(wire::Verdict::Create),
                planned(wire::Verdict::Blocked),
            ],
            missing: Vec::new(),
        };
        let result = Some(wire::plan_reply::Result::Plan(plan));
        Ok(Response::new(wire::PlanReply {
            unkept: true,
            result,
            interrupted: None,
            confirm: u32::MAX,
        }))
    }

    type ApplyStream = Iter<std::vec::IntoIter<Result<ApplyEvent, Status>>>;

    async fn apply(
        &self,
        _: Request<wire::ApplyRequest>,
    ) -> Result<Response<Self::ApplyStream>, Status> {
        let block = || wire::BlockName {
            id: EVIL.to_owned(),
            file: EVIL.to_owned(),
            line: u32::MAX,
        };
        let begun = wire::Begun {
            run: Some(wire::Running {
                run: EVIL.to_owned(),
                by: EVIL.to_owned(),
                since: u64::MAX,
            }),
            blocks: vec![block(), block()],
            confirm: 1,
            away: 1,
            config: EVIL.to_owned(),
            undoes: EVIL.to_owned(),
        };
        let mut events = vec![Event::Begun(begun), Event::Started(Started { block: 0 })];
        events.push(Event::Note(Note {
            block: 0,
            text: EVIL.to_owned(),
        }));
        match self.0 {
            Malice::Leaves => {}
            Malice::Invents => events.push(Event::Started(Started { block: 99 })),
            Malice::Writes(random) => {
                let bytes = [known(), random_sequences(random)].concat();
                for chunk in bytes.chunks(60_000) {
                    let bytes = chunk.to_vec().into();
                    events.push(Event::Output(Output {
                        block: 0,
                        stderr: false,
                        bytes,
                    }));
                }
                let finished = |block| Finished {
                    block,
                    outcome: 4,
                    note: EVIL.to_owned(),
                    exit: Some(1),
                };
                events.push(Event::Finished(finished(0)));
                events.push(Event::Finished(finished(1)));
                let blocks = vec![finished(0), finished(1)];
                events.push(Event::Report(Report {
                    run: EVIL.to_owned(),
                    blocks,
                    reverted: true,
                    undone: Some(wire::Undone {
                        by: EVIL.to_owned(),
                        stays: vec![EVIL.to_owned()],
                    }),
                    cancelled_by: EVIL.to_owned(),
                }));
            }
        }
        let events: Vec<_> = events
            .into_iter()
            .map(|event| {
                Ok(ApplyEvent {
                    event: Some(event),
                    at: Some(u64::MAX),
                })
            })
            .collect();
        Ok(Response::new(tokio_stream::iter(events)))
    }

    type AttachStream = Self::ApplyStream;

    async fn attach(
        &self,
        _: Request<wire::AttachRequest>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn cancel(
        &self,
        _: Request<wire::CancelRequest>,
    ) -> Result<Response<wire::CancelReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn confirm(
        &self,
        _: Request<wire::ConfirmRequest>,
    ) -> Result<Response<wire::ConfirmReply>, Status> {
        Ok(Response::new(wire::ConfirmReply {
            reverted_by: EVIL.to_owned(),
            stays: vec![EVIL.to_owned()],
        }))
    }

    async fn drift(
        &self,
        _: Request<wire::DriftRequest>,
    ) -> Result<Response<wire::DriftReply>, Status> {
        Ok(Response::new(wire::DriftReply {
            drifts: vec![wire::Drift {
                config: EVIL.to_owned(),
                applied: None,
                plan: None,
                unknown: EVIL.to_owned(),
            }],
        }))
    }

    async fn plan_undo(
        &self,
        _: Request<wire::PlanUndoRequest>,
    ) -> Result<Response<wire::PlanUndoReply>, Status> {
        let undoing = |gone, stays: &[&str]| wire::Undoing {
            id: EVIL.to_owned(),
            gone,
            stays: stays.iter().map(ToString::to_string).collect(),
            runs: stays.is_empty() && !gone,
            what: vec![EVIL.to_owned()],
        };
        Ok(Response::new(wire::PlanUndoReply {
            run: Some(wire::Running {
                run: EVIL.to_owned(),
                by: EVIL.to_owned(),
                since: 0,
            }),
            blocks: vec![
                undoing(false, &[]),
                undoing(true, &[]),
                undoing(false, &[EVIL]),
            ],
        }))
    }

    async fn await_free(
        &self,
        _: Request<wire::AwaitFreeRequest>,
    ) -> Result<Response<wire::AwaitFreeReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn audit_head(
        &self,
        _: Request<wire::AuditHeadRequest>,
    ) -> Result<Response<wire::AuditHeadReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    type LogStream = Iter<std::vec::IntoIter<Result<wire::LogReply, Status>>>;

    async fn log(&self, _: Request<wire::LogRequest>) -> Result<Response<Self::LogStream>, Status> {
        let record = |record| Ok(wire::LogReply { record, head: None });
        let lines = vec![record(forged()), record(EVIL.to_owned())];
        Ok(Response::new(tokio_stream::iter(lines)))
    }

    async fn why(&self, _: Request<wire::WhyRequest>) -> Result<Response<wire::WhyReply>, Status> {
        let asked = wire::Asked {
            run: Some(wire::Running {
                run: EVIL.to_owned(),
                by: EVIL.to_owned(),
                since: u64::MAX,
            }),
            key: EVIL.to_owned(),
        };
        let owned = wire::Owned {
            config: EVIL.to_owned(),
            id: EVIL.to_owned(),
            file: EVIL.to_owned(),
            line: u32::MAX,
            last: Some(asked.clone()),
            made: true,
            part: EVIL.to_owned(),
            gone: true,
        };
        let version = wire::Version {
            by: Some(asked),
            id: EVIL.to_owned(),
            file: EVIL.to_owned(),
            line: u32::MAX,
            outcome: 99,
            what: vec![EVIL.to_owned()],
            details: vec![wire::Detail {
                kind: Some(wire::detail::Kind::Text(EVIL.to_owned())),
            }],
        };
        Ok(Response::new(wire::WhyReply {
            owned: vec![owned],
            versions: vec![version],
        }))
    }

    type UpgradeStream = Self::ApplyStream;

    async fn upgrade(
        &self,
        _: Request<wire::UpgradeRequest>,
    ) -> Result<Response<Self::UpgradeStream>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    type UndoStream = Self::ApplyStream;

    async fn undo(
        &self,
        _: Request<wire::UndoRequest>,
    ) -> Result<Response<Self::UndoStream>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn clients(
        &self,
        _: Request<wire::ClientsRequest>,
    ) -> Result<Response<wire::ClientsReply>, Status> {
        let keys = hpt_keystore::Keypair::generate().identity().to_bytes();
        Ok(Response::new(wire::ClientsReply {
            clients: vec![wire::Client {
                name: EVIL.to_owned(),
                identity: keys.into(),
                grants: EVIL.to_owned(),
                added_at: u64::MAX,
                until: u64::MAX,
                late: true,
                next: vec![0; 3],
            }],
        }))
    }

    async fn authorize(
        &self,
        _: Request<wire::AuthorizeRequest>,
    ) -> Result<Response<wire::AuthorizeReply>, Status> {
        Err(Status::already_exists(EVIL))
    }

    async fn revoke(
        &self,
        _: Request<wire::RevokeRequest>,
    ) -> Result<Response<wire::RevokeReply>, Status> {
        let name = EVIL.to_owned();
        Ok(Response::new(wire::RevokeReply { name }))
    }

    async fn succeed(
        &self,
        _: Request<wire::SucceedRequest>,
    ) -> Result<Response<wire::SucceedReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn settle(
        &self,
        _: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }

    async fn renew(
        &self,
        _: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewReply>, Status> {
        // Keys that somebody else has made.
        let renewal = wire::Renewal {
            identity: Keypair::generate().identity().to_bytes().into(),
            signature: vec![7; 64],
        };
        Ok(Response::new(wire::RenewReply {
            renewal: Some(renewal),
            late: vec![EVIL.to_owned()],
        }))
    }

    async fn followed(
        &self,
        _: Request<wire::FollowedRequest>,
    ) -> Result<Response<wire::FollowedReply>, Status> {
        Err(Status::permission_denied(EVIL))
    }
}

/// A record that is as good as any, but for its words.
fn forged() -> String {
    let prev = "0".repeat(64);
    let body = serde_json::json!({
        "seq": 1, "time": u64::MAX, "kind": EVIL, "by": EVIL, "key": EVIL, "run": EVIL,
        "detail": { EVIL: EVIL }, "prev": prev,
    });
    let body = body.to_string();
    let hash = blake3::Hasher::new()
        .update(&[0; 32])
        .update(body.as_bytes())
        .finalize();
    let open = body.strip_suffix('}').unwrap();
    format!("{open},\"hash\":\"{}\"}}", hash.to_hex())
}
