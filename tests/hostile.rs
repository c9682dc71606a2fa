//! A target that lies and attacks: what it says reaches no terminal as more than text (T-1, A3).

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod python;
mod serving;

use std::path::Path;
use std::process::{Command, Stdio};

use hpt_keystore::target;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::target_server::{Target, TargetServer};
use hpt_proto::wire::{self, ApplyEvent, Finished, Note, Output, Planned, Report, Started};
use hpt_transport::{AllowList, Limits, LocalKey, Pin, bind, grpc, listen};
use serving::Place;
use tokio_stream::Iter;
use tonic::{Request, Response, Status, async_trait};

/// What the target does when it is asked to apply.
#[derive(Clone, Copy)]
enum Malice {
    /// Writes this many random sequences after the known ones.
    Writes(u32),
    /// Ends the session this client may not attach to it.
    Leaves,
    /// Tells of a block that is not in the plan.
    Invents,
}

#[derive(Clone)]
struct Evil(Malice);

const EVIL: &str = "\x1b]0;pwned\x07\x1b[2J\u{9b}31m\r\n\u{202e}changed  file:/FORGED";

impl Evil {
    /// Serves as web1 until the test's process ends.
    fn serve(self) -> Place {
        let place = Place::new();
        let keys = target::load(&place.path("web1.keystore")).unwrap();
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
                let own = LocalKey::new(keys.own.channel);
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
            interrupted: Some(wire::Interrupted {
                run: None,
                done: vec![text()],
                in_doubt: vec![text()],
                not_started: u32::MAX,
            }),
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
            result,
            interrupted: None,
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
                }));
            }
        }
        let events: Vec<_> = events
            .into_iter()
            .map(|event| Ok(ApplyEvent { event: Some(event) }))
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

    type UndoStream = Self::ApplyStream;

    async fn undo(
        &self,
        _: Request<wire::UndoRequest>,
    ) -> Result<Response<Self::UndoStream>, Status> {
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

/// Sequences that terminals are known to obey, each on a line, in all spellings.
fn known() -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for introducer in [&b"\x1b["[..], b"\x9b", "\u{9b}".as_bytes()] {
        for prefix in ["", "?1049", "?25", "21", "5;5", ">", "!", "6", "999;999"] {
            for last in b'@'..=b'~' {
                all.push([introducer, prefix.as_bytes(), &[last]].concat());
            }
        }
    }
    for introducer in [&b"\x1b]"[..], b"\x9d", "\u{9d}".as_bytes()] {
        for body in [
            "0;pwned",
            "2;pwned",
            "4;1;?",
            "8;;http://evil/",
            "52;c;AAAA",
            "52;c;?",
            "133;A",
            "1337;x",
            "777;notify;a;b",
        ] {
            for end in [&b"\x07"[..], b"\x1b\\", b"\x9c", "\u{9c}".as_bytes(), b""] {
                all.push([introducer, body.as_bytes(), end].concat());
            }
        }
    }
    for lone in "cDEHMNOPVWXZ^_=>78#8(0)B*B+B%G%@nol|}~6".chars() {
        all.push(format!("\x1b{lone}").into_bytes());
    }
    for text in [
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "a\rb",
        "a\x08b",
        "a\x0bb",
        "a\x0cb",
        "\x07",
        "\x0e",
        "\x0f",
        "\x05",
        "\x7f",
    ] {
        all.push(text.as_bytes().to_vec());
    }
    for bidi in "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{85}".chars() {
        all.push(bidi.to_string().into_bytes());
    }
    assert!(all.len() >= 300);
    all.join(&b'\n')
}

/// Random sequences of bytes that begin sequences, separate their parts, and end them.
fn random_sequences(count: u32) -> Vec<u8> {
    const BYTES: &[u8] = b"\x1b\x1b\x9b\x9d\x90[]P?;0123456789hlmnJHKcRqrstABCDx\\\x07\x08\r\t\xc2\x80\xe2\x80\xae\xff\x00\x0e";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut out = Vec::new();
    for i in 0..count {
        for _ in 0..=next(11) {
            out.push(BYTES[next(BYTES.len())]);
        }
        if i % 8 == 0 {
            out.push(b'\n');
        }
    }
    out
}

/// Whether text could do more to a terminal than to be shown by it.
fn drives(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn what_a_target_says_is_only_shown() {
    let place = Evil(Malice::Writes(1000)).serve();
    place.write("refuse.toml", "[[file]]\npath = \"/x\"\ncontent = \"x\"\n");
    for args in [
        &["status"][..],
        &["facts"],
        &["plan", "site.toml"],
        &["plan", "--all", "site.toml"],
        &["plan", "refuse.toml"],
        &["provision", "site.toml"],
        &["-v", "provision", "site.toml"],
        &["log"],
    ] {
        for form in [&[][..], &["--json"]] {
            let ran = place.web1(&[form, args].concat());
            let all = format!("{}{}", ran.out, ran.err);
            let bad = all.chars().find(|c| drives(*c));
            assert_eq!(bad, None, "hpt {form:?} {args:?}\n{all}");
            assert!(all.contains("FORGED"), "the target has been heard");
            let forged = all.lines().find(|line| line.starts_with("changed"));
            assert_eq!(forged, None, "a target wrote a line of hpt's");
            for line in ran.out.lines().filter(|_| !form.is_empty()) {
                serde_json::from_str::<serde_json::Value>(line).expect(line);
            }
        }
    }
}

/// A terminal emulator sees the known sequences and 100,000 random ones, and does nothing but draw.
#[test]
fn a_terminal_emulator_only_draws() {
    let python = match python::with("terminal") {
        Ok(python) => python,
        Err(missing) => {
            let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
            assert!(!insists, "missing: {missing}");
            eprintln!("skipped, for want of {missing}");
            return;
        }
    };
    let place = Evil(Malice::Writes(100_000)).serve();
    let mut command = place.command(&["--target", "web1", "-v", "provision", "site.toml"]);
    let hpt = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    // What the target says of the confirmation is drawn as well.
    assert_eq!(hpt.status.code(), Some(8));
    let mut emulator = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = emulator.stdin.take().unwrap();
    let bytes = [hpt.stdout, hpt.stderr].concat();
    assert!(bytes.len() > 1_000_000, "the sequences have arrived");
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut input, &bytes));
    let output = emulator.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_session_without_a_result_is_no_success() {
    let place = Evil(Malice::Leaves).serve();
    let lost = place.web1(&["provision", "site.toml"]).exits(7);
    lost.says("this client may not attach to it")
        .says("goes on there")
        .says("status");
    let place = Evil(Malice::Invents).serve();
    place
        .web1(&["provision", "site.toml"])
        .exits(1)
        .says("an index beyond the end of its list");
}
