//! A host is provisioned through gRPC over a real link, into a scratch root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::{TestClient, TestServer, apply, delivery, plan, put, with_source};
use hpt_proto::{End, wire};
use hpt_provisioner::plan::Verdict;
use hpt_provisioner::report::Outcome;

const EVERYTHING: &str = "status facts plan apply exec";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_an_apply_and_nothing_left_to_do() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;

    let status = client
        .status(wire::StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(status.running, None);
    let health = client
        .health(wire::HealthRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(health.ready);

    let config = delivery(
        "[[file]]\npath = \"/etc/motd\"\ncontent = \"hello\\n\"\nmode = \"0640\"\n\
         [[file]]\npath = \"/srv/logo\"\nsource = \"logo.bin\"\n",
    );
    let logo = vec![0xa5; 200_000];
    let config = with_source(config, "logo.bin", &logo, false);

    let first = plan(&mut client, &config, true).await.unwrap().unwrap();
    let verdicts: Vec<_> = first.blocks.iter().map(|block| block.verdict).collect();
    assert_eq!(verdicts, [Verdict::Create, Verdict::Create], "{first:?}");
    assert_eq!(first.missing, [blake3::hash(&logo)]);
    let (_, end) = apply(&mut client, &config, Some(first.bound()), 2)
        .await
        .unwrap();
    assert_eq!(end, End::Missing(vec![blake3::hash(&logo)]));
    assert!(!server.root().join("etc/motd").exists(), "nothing was done");

    put(&mut client, &[&logo], 64 << 10).await.unwrap();
    let (events, end) = apply(&mut client, &config, Some(first.bound()), 2)
        .await
        .unwrap();
    let End::Report { run, report, .. } = end else {
        panic!("{end:?}")
    };
    assert_eq!(run.len(), 20);
    assert_eq!(report.count(Outcome::Changed), 2, "{report:?}");
    assert!(events.len() >= 2, "{events:?}");
    assert_eq!(fs::read(server.root().join("srv/logo")).unwrap(), logo);
    let motd = server.root().join("etc/motd");
    assert_eq!(fs::read_to_string(&motd).unwrap(), "hello\n");
    assert_eq!(fs::metadata(&motd).unwrap().mode() & 0o7777, 0o640);

    let second = plan(&mut client, &config, true).await.unwrap().unwrap();
    assert!(second.is_empty() && second.missing.is_empty(), "{second:?}");
    let before = fs::metadata(&motd).unwrap();
    let (events, end) = apply(&mut client, &config, Some(second.bound()), 2)
        .await
        .unwrap();
    let End::Report { run, report, .. } = end else {
        panic!("{end:?}")
    };
    assert_eq!((run.as_str(), events.len()), ("", 0), "no run was needed");
    assert_eq!(report.count(Outcome::Ok), 2);
    let after = fs::metadata(&motd).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
}
