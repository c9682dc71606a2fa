//! What a target refuses, and that nothing was done then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply, apply_request, delivery, plan, put, with_source};
use hpt_agent::lock::Lock;
use hpt_keystore::{Existing, Grant, target};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::{End, Running, wire};
use hpt_provisioner::describe::Detail;
use hpt_provisioner::plan::Moved;
use hpt_provisioner::report::Outcome;
use tonic::transport::Channel;
use tonic::{Code, Status};

const MOTD: &str = "[[file]]\npath = \"/etc/motd\"\ncontent = \"hello\\n\"\n";
const EVERYTHING: &str = "status facts plan apply exec";

/// Every RPC, as a call that works when it is allowed.
async fn call(client: &mut TargetClient<Channel>, rpc: &str) -> Result<(), Status> {
    let config = delivery(MOTD);
    match rpc {
        "Status" => client.status(wire::StatusRequest {}).await.map(drop),
        "Facts" => client.facts(wire::FactsRequest {}).await.map(drop),
        "Health" => client.health(wire::HealthRequest {}).await.map(drop),
        "AuditHead" => client
            .audit_head(wire::AuditHeadRequest::default())
            .await
            .map(drop),
        "Log" => client.log(wire::LogRequest::default()).await.map(drop),
        "MissingBlobs" => client
            .missing_blobs(wire::MissingBlobsRequest::default())
            .await
            .map(drop),
        "PutBlobs" => put(client, &[b"x"], 10).await,
        "Plan" => plan(client, &config, false).await.map(drop),
        "Apply" => apply(client, &config, None, 1).await.map(drop),
        other => panic!("{other} is new: say here how it is called"),
    }
}

/// U3: every RPC with every grant alone, over the wire.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_its_own_calls_and_no_other() {
    const EVERYBODY: &str = "";
    const NEEDS: [(&str, &str); 9] = [
        ("Status", "status"),
        ("Health", "status"),
        ("AuditHead", EVERYBODY),
        ("Log", "log"),
        ("Facts", "facts"),
        ("MissingBlobs", "apply"),
        ("PutBlobs", "apply"),
        ("Plan", "plan"),
        ("Apply", "apply"),
    ];
    let words = "status facts plan apply exec log attach cancel undo pins call:*";
    let clients: Vec<_> = words
        .split(' ')
        .enumerate()
        .map(|(i, word)| (TestClient::new(&format!("c{i}")), word))
        .collect();
    let pins: Vec<_> = clients
        .iter()
        .map(|(client, word)| client.pin(word))
        .collect();
    let server = TestServer::start(&pins);
    for (client, word) in &clients {
        let mut channel = server.connect(client).await;
        for (rpc, needed) in NEEDS {
            match call(&mut channel, rpc).await {
                Ok(()) => assert!([word, EVERYBODY].contains(&needed), "{word} allowed {rpc}"),
                Err(status) => {
                    assert_ne!(needed, EVERYBODY, "{rpc}: {status:?}");
                    assert_ne!(*word, needed, "{rpc}: {status:?}");
                    assert_eq!(status.code(), Code::PermissionDenied, "{rpc}: {status:?}");
                    assert!(status.message().contains(needed), "{status:?}");
                }
            }
        }
    }
}

/// J8: an upgrade needs the grants of a run and of its commands, a time, and somebody who starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_needs_two_grants_and_a_unit() {
    let clients = ["exec", "apply", "apply exec"].map(|grants| {
        let client = TestClient::new(&grants.replace(' ', "-"));
        (client, grants)
    });
    let pins: Vec<_> = clients.iter().map(|(c, grants)| c.pin(grants)).collect();
    let server = TestServer::start(&pins);
    for (client, grants) in &clients {
        let mut channel = server.connect(client).await;
        for (confirm, wanted) in [
            (30, Code::FailedPrecondition),
            (0, Code::InvalidArgument),
            (86_401, Code::InvalidArgument),
        ] {
            let request = wire::UpgradeRequest {
                hash: vec![7; 32],
                confirm,
            };
            let refused = match channel.upgrade(request).await {
                Ok(events) => events.into_inner().message().await.err().unwrap(),
                Err(status) => status,
            };
            let wanted = match *grants {
                "apply exec" => wanted,
                _ => Code::PermissionDenied,
            };
            assert_eq!(refused.code(), wanted, "{grants}: {refused:?}");
        }
    }
}

/// I5: a call that is not in the contract is refused, whatever its caller may do.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_call_is_refused() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin("status facts plan apply exec pins")]);
    let channel = hpt_transport::grpc::connect(server.dialer(&laptop))
        .await
        .unwrap();
    for path in [
        "/hpt.v1.Target/Shell",
        "/hpt.v2.Target/Status",
        "/grpc.health.v1.Health/Check",
    ] {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<wire::StatusRequest, wire::StatusReply>::default();
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
        let called = grpc
            .unary(tonic::Request::new(wire::StatusRequest {}), path, codec)
            .await;
        assert_eq!(called.unwrap_err().code(), Code::Unimplemented);
    }
}

/// I5: what a request says and this version does not know would not be done.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_not_known_is_refused() {
    /// A [`wire::ApplyRequest`] of a version to come.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Newer {
        #[prost(bool, tag = "99")]
        only_pretend: bool,
    }
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin("status facts plan apply exec pins")]);
    let channel = hpt_transport::grpc::connect(server.dialer(&laptop))
        .await
        .unwrap();
    for path in ["/hpt.v1.Target/Plan", "/hpt.v1.Target/Status"] {
        for only_pretend in [false, true] {
            let mut grpc = tonic::client::Grpc::new(channel.clone());
            grpc.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<Newer, wire::PlanReply>::default();
            let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
            let request = tonic::Request::new(Newer { only_pretend });
            let said = match grpc.unary(request, path, codec).await {
                Ok(_) => String::new(),
                Err(status) => status.message().to_owned(),
            };
            let refused = said.contains("does not know");
            assert_eq!(refused, only_pretend, "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_content_is_shown_to_those_who_may_print_it() {
    let (laptop, intern) = (TestClient::new("laptop"), TestClient::new("intern"));
    let server = TestServer::start(&[laptop.pin(EVERYTHING), intern.pin("plan apply")]);
    fs::write(server.root().join("etc/motd"), "old words\n").unwrap();
    let config = delivery(MOTD);
    for (who, reveal, shown) in [
        (&laptop, true, true),
        (&laptop, false, false),
        (&intern, true, false),
    ] {
        let mut client = server.connect(who).await;
        let plan = plan(&mut client, &config, reveal).await.unwrap().unwrap();
        let details = &plan.blocks[0].details;
        let diff = details
            .iter()
            .any(|detail| matches!(detail, Detail::Diff { .. }));
        assert_eq!(diff, shown, "{details:?}");
        assert_eq!(format!("{details:?}").contains("old words"), shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_need_the_grant_exec() {
    let intern = TestClient::new("intern");
    let server = TestServer::start_live(&[intern.pin("plan apply")]);
    let mut client = server.connect(&intern).await;
    let mark = server.dir.path().join("mark");
    let config = delivery(&format!(
        "[[exec]]\nscript = \"touch {}\"\nalways = true\n",
        mark.display()
    ));
    let status = apply(&mut client, &config, None, 1).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(status.message().contains("exec"), "{status:?}");
    assert!(!mark.exists());
}

/// A4.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_told_who_is_first() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let first = Running {
        run: "4f".into(),
        by: "desk".into(),
        since: 1_700_000_000,
    };
    let lock = Lock::take(&server.places(), &first).unwrap();

    let config = delivery(MOTD);
    let asked = Instant::now();
    let (events, end) = apply(&mut client, &config, None, 1).await.unwrap();
    assert!(
        asked.elapsed() < Duration::from_millis(150),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((events.len(), end), (0, End::Busy(first.clone())));
    let status = client
        .status(wire::StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(status.running.map(Running::from), Some(first));
    assert!(
        !client
            .health(wire::HealthRequest {})
            .await
            .unwrap()
            .into_inner()
            .ready
    );
    // Planning needs no lock.
    assert!(
        !plan(&mut client, &config, false)
            .await
            .unwrap()
            .unwrap()
            .is_empty()
    );

    drop(lock);
    let (_, end) = apply(&mut client, &config, None, 1).await.unwrap();
    assert!(matches!(end, End::Report { report, .. } if report.count(Outcome::Changed) == 1));
}

/// A5.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_moved_since_its_plan_is_left_alone() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let config = delivery(MOTD);
    let agreed = plan(&mut client, &config, true).await.unwrap().unwrap();
    let motd = server.root().join("etc/motd");
    fs::write(&motd, "someone was here\n").unwrap();

    let bound = Some(agreed.bound());
    let (events, end) = apply(&mut client, &config, bound, 1).await.unwrap();
    let now = plan(&mut client, &config, true).await.unwrap().unwrap();
    let moved = Moved {
        planned: agreed.digest,
        now: now.digest,
        blocks: vec!["file:/etc/motd".into()],
    };
    assert_eq!((events.len(), end), (0, End::Moved(moved)));
    assert_eq!(fs::read_to_string(&motd).unwrap(), "someone was here\n");
    let (_, end) = apply(&mut client, &config, Some(now.bound()), 1)
        .await
        .unwrap();
    assert!(matches!(end, End::Report { report, .. } if report.succeeded()));
}

/// I4: the target judges the config itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_config_is_refused_with_its_place() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let config = delivery("[[file]]\npath = \"/etc/motd\"\ncontent = \"x\"\ncolour = \"red\"\n");
    let faults = plan(&mut client, &config, false)
        .await
        .unwrap()
        .unwrap_err();
    assert!(faults[0].what.contains("colour"), "{faults:?}");
    let place = faults[0].place.clone().unwrap();
    assert_eq!(place.line_column(&config.request.files[0].text), (4, 1));
    let (events, end) = apply(&mut client, &config, None, 1).await.unwrap();
    assert_eq!((events.len(), end), (0, End::Faults(faults)));
    assert!(!server.root().join("etc/motd").exists());

    let long = delivery(&format!("# {}\n{MOTD}", "x".repeat(1 << 20)));
    assert!(plan(&mut client, &long, false).await.unwrap().is_err());
}

/// I4, I5: a patched client.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_say_something_impossible_are_refused() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let config = with_source(delivery(MOTD), "a", b"content", true);
    let mut lies = apply_request(&config, None);
    lies.request.as_mut().unwrap().sources[0].content = Some("another".into());
    let mut short = apply_request(&config, None);
    short.bound = Some(wire::Bound {
        digest: vec![0; 31],
        marks: vec![],
    });
    for request in [lies, short, wire::ApplyRequest::default()] {
        let mut stream = client.apply(request).await.unwrap().into_inner();
        let status = stream.message().await.err().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let wrong = wire::PutBlobsRequest {
        hash: blake3::hash(b"right").as_bytes().to_vec(),
        size: 5,
        chunk: "wrong".into(),
    };
    let put = client
        .put_blobs(tokio_stream::iter([wrong]))
        .await
        .unwrap_err();
    assert_eq!(put.code(), Code::InvalidArgument, "{put:?}");
    assert_eq!(
        fs::read_dir(server.places().state.join("blobs"))
            .unwrap()
            .count(),
        0
    );
}

/// R2: pins and grants change under a server that runs on.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_pin_ends_its_session_within_two_seconds() {
    let (laptop, thief) = (TestClient::new("laptop"), TestClient::new("thief"));
    let server = TestServer::start(&[laptop.pin("status"), thief.pin("status")]);
    let (mut mine, mut stolen) = (server.connect(&laptop).await, server.connect(&thief).await);
    call(&mut stolen, "Status").await.unwrap();
    assert!(call(&mut mine, "Facts").await.is_err());

    target::remove_client(&server.keystore(), &thief.name, target::Lockout::Force).unwrap();
    let mut pin = laptop.pin("status");
    pin.grants = [Grant::Status, Grant::Facts].into_iter().collect();
    target::add_client(
        &server.keystore(),
        &pin,
        Existing::Replace,
        target::Lockout::Force,
    )
    .unwrap();
    let removed = Instant::now();
    while call(&mut stolen, "Status").await.is_ok() {
        assert!(
            removed.elapsed() < Duration::from_secs(2),
            "the thief is still in"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.dialer(&thief).dial().await.is_err());
    call(&mut mine, "Status")
        .await
        .expect("the other session lives on");
    call(&mut mine, "Facts")
        .await
        .expect("a new grant counts without a restart");

    fs::write(server.keystore(), "damaged").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    call(&mut mine, "Status")
        .await
        .expect("a damaged file changes nothing");
}
