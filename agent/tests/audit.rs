//! What a server and its runs record, and that nothing is done which cannot be recorded (L1-L4).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test mounts a small disk")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{TestClient, TestServer, apply, delivery, places_in, scratch};
use hpt_agent::Places;
use hpt_agent::audit::{Asked, Audit, Head, Record};
use hpt_agent::run::{Order, Site};
use hpt_keystore::Existing;
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{AuditHeadRequest, LogRequest, UndoRequest};
use hpt_proto::{End, Running, Told};
use hpt_provisioner::report::Outcome;
use tonic::transport::Channel;

const MOTD: &str = "[[file]]\npath = \"/etc/motd\"\ncontent = \"hello\\n\"\n";
const EVERYTHING: &str = "status facts plan apply exec attach cancel undo log";

/// All records there are, each of which follows, and the head that is told with them.
async fn log(client: &mut TargetClient<Channel>) -> (Vec<Record>, Head) {
    let reply = client.log(LogRequest::default()).await.unwrap();
    let (mut lines, mut head, mut records) = (reply.into_inner(), Head::default(), Vec::new());
    while let Some(reply) = lines.message().await.unwrap() {
        if let Some(end) = reply.head {
            assert_eq!(
                (end.seq, &end.hash[..]),
                (head.seq, &head.hash.as_bytes()[..])
            );
            return (records, head);
        }
        records.push(head.read(&reply.record).unwrap());
    }
    panic!("the stream was cut")
}

/// The server writes what it has to say beside its calls.
async fn log_until(client: &mut TargetClient<Channel>, kind: &str) -> Vec<Record> {
    for _ in 0..500 {
        let (records, _) = log(client).await;
        if records.iter().any(|record| record.kind == kind) {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there is no record of {kind}")
}

fn kinds(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.kind.as_str()).collect()
}

fn find<'a>(records: &'a [Record], kind: &str) -> &'a Record {
    let found = records.iter().find(|record| record.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {records:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_recorded() {
    let laptop = TestClient::new("laptop");
    let watcher = TestClient::new("watcher");
    let server = TestServer::start(&[laptop.pin(EVERYTHING), watcher.pin("status")]);
    let mut client = server.connect(&laptop).await;
    log_until(&mut client, "served").await;

    let (_, end) = apply(&mut client, &delivery(MOTD), None, 1).await.unwrap();
    let End::Report { run, .. } = end else {
        panic!("{end:?}")
    };
    let (records, _) = log(&mut client).await;
    assert_eq!(kinds(&records), ["served", "run-began", "run-ended"]);
    let began = find(&records, "run-began");
    assert_eq!((&began.by[..], &began.run), ("laptop", &run));
    assert_eq!(began.key.len(), 16);
    assert_eq!(began.detail["config"].len(), 64);
    assert_eq!(began.detail["plan"].len(), 64);
    assert!(began.detail["grants"].contains("apply"));
    let ended = find(&records, "run-ended");
    assert_eq!(ended.detail["changed"], "1");
    let state = server.dir.path().join("state/roots");
    let state = fs::read_dir(state).unwrap().next().unwrap().unwrap().path();
    // The end is told as soon as it is on disk, and the file gets its last name after that.
    let names = ["open", "run"].map(|end| state.join(format!("runs/{run}.{end}")));
    let journal = names.iter().find_map(|name| fs::read(name).ok()).unwrap();
    assert_eq!(
        ended.detail["journal"],
        blake3::hash(&journal).to_hex().as_str()
    );

    // What changes nothing begins no run.
    apply(&mut client, &delivery(MOTD), None, 1).await.unwrap();
    assert_eq!(log(&mut client).await.0.len(), 3);

    let undone = client.undo(UndoRequest { run: run.clone() }).await;
    let mut undone = undone.unwrap().into_inner();
    while undone.message().await.unwrap().is_some() {}
    let (records, _) = log(&mut client).await;
    assert_eq!(find(&records, "undo-began").detail["undoes"], run);
    assert_eq!(find(&records, "undo-ended").detail["reverted"], "1");

    let mut watching = server.connect(&watcher).await;
    for _ in 0..20 {
        let refused = apply(&mut watching, &delivery(MOTD), None, 1).await;
        assert!(refused.is_err());
    }
    let records = log_until(&mut client, "call-refused").await;
    let refused = find(&records, "call-refused");
    assert_eq!(
        (&refused.by[..], &refused.detail["call"][..]),
        ("watcher", "Apply")
    );
    let all = kinds(&records);
    let refusals = all.iter().filter(|kind| **kind == "call-refused").count();
    assert!(refusals < 20, "L4: at most one a second: {refusals}");

    let stranger = TestClient::new("stranger");
    assert!(
        common::try_connect(&stranger, server.target, server.address)
            .await
            .is_none()
    );
    let records = log_until(&mut client, "session-refused").await;
    assert_eq!(
        find(&records, "session-refused").detail["source"],
        "127.0.0.1"
    );
    let text = fs::read_to_string(state.join("audit.jsonl")).unwrap();
    assert!(!text.contains("hello"), "no content is recorded: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_signed_and_an_old_one_is_found() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let signing = hpt_keystore::target::load(&server.keystore())
        .unwrap()
        .own
        .identity()
        .signing;
    let mut client = server.connect(&laptop).await;
    apply(&mut client, &delivery(MOTD), None, 1).await.unwrap();
    let (records, head) = log(&mut client).await;
    let ask = AuditHeadRequest { known: 2 };
    let reply = client.audit_head(ask).await.unwrap().into_inner();
    let told = reply.head.unwrap();
    let mut walked = Head {
        seq: 2,
        hash: blake3::Hash::from_hex(&records[1].hash).unwrap(),
    };
    for words in reply.links.chunks(32) {
        walked.follow(blake3::Hash::from_slice(words).unwrap());
    }
    assert_eq!(walked, head);
    assert_eq!(told.seq, head.seq);
    head.verify(&signing, told.signature[..].try_into().unwrap())
        .unwrap();
    let ask = AuditHeadRequest { known: 99 };
    assert!(
        client
            .audit_head(ask)
            .await
            .unwrap()
            .into_inner()
            .links
            .is_empty()
    );
}

fn order(text: &str, run: &str) -> Order {
    Order {
        delivery: delivery(text),
        bound: None,
        running: Running {
            run: format!("20261121-171501-{run}"),
            by: "laptop".into(),
            since: 1_750_000_000,
        },
        exec: true,
        rerun: std::collections::BTreeSet::new(),
        asked: Asked::default(),
        confirm: None,
    }
}

/// Fills the file system of a directory to its last byte.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("filler")).unwrap();
    for size in [1 << 20, 4096, 1] {
        let bytes = vec![7; size];
        while file.write_all(&bytes).is_ok() {}
    }
}

/// L1: on a full disk nothing is done that is not recorded, reads go on, and each refusal is recorded.
#[test]
fn a_full_disk_allows_no_run_that_is_not_recorded() {
    let Some(disk) = SmallDisk::mount("6m") else {
        return;
    };
    let dir = scratch();
    let places = Places {
        state: disk.0.path().join("state"),
        ..places_in(dir.path())
    };
    let site = Site::new(places.clone());
    let first = "[[file]]\npath = \"/etc/first\"\ncontent = \"\"\n";
    site.execute(order(first, "0000"), &mut |_| ()).unwrap();
    let audit = Audit::open(&places).unwrap();
    let before = audit.head().unwrap();
    fill(disk.0.path());

    // The last page of the file may have room for some records still, and the journal then has none.
    let mut last = String::new();
    for attempt in 0..12 {
        let end = site.execute(order(MOTD, &format!("{attempt:04x}")[1..]), &mut |_| ());
        last = end.map(|_| ()).unwrap_err().to_string();
        assert!(last.starts_with("nothing was done, for "), "{last}");
        assert!(!dir.path().join("root/etc/motd").exists());
    }
    assert!(
        last.starts_with("nothing was done, for it cannot be recorded in the audit"),
        "{last}"
    );
    assert!(last.contains("No space left"), "{last}");
    assert!(site.interrupted().unwrap().is_none(), "reads still work");
    let mut records = Vec::new();
    audit
        .read(before.seq + 1, 0, &mut |line| {
            records.push(serde_json::from_str::<Record>(&line).unwrap());
            true
        })
        .unwrap();
    let began = records
        .iter()
        .filter(|record| record.kind == "run-began")
        .count();
    let ended = records.iter().filter(|record| record.kind == "run-ended");
    assert_eq!(
        began,
        ended
            .inspect(|end| assert!(end.detail["why"].contains("nothing was done")))
            .count()
    );
    let refused = records
        .iter()
        .filter(|record| record.kind == "run-refused")
        .count();
    assert_eq!(began + refused, 12, "{records:#?}");
    assert!(refused > 0);

    // An undo has the room that was kept: it may be what lets an operator in again.
    let Order { running, asked, .. } = order(MOTD, "eeee");
    let undone = site.undo("20261121-171501-0000", running, &asked, None, &mut |_| ());
    undone.unwrap();
    assert!(!dir.path().join("root/etc/first").exists());

    fs::remove_file(disk.0.path().join("filler")).unwrap();
    site.execute(order(MOTD, "ffff"), &mut |_| ()).unwrap();
    assert!(dir.path().join("root/etc/motd").exists());
}

/// L1: a disk that fills up in the midst of a run stops it, and how it ended is still written down.
#[test]
fn a_disk_that_fills_up_stops_a_run_and_its_end_is_recorded() {
    let Some(disk) = SmallDisk::mount("6m") else {
        return;
    };
    let dir = scratch();
    let places = Places {
        state: disk.0.path().join("state"),
        ..places_in(dir.path())
    };
    let mut text = String::new();
    for block in 0..200 {
        text += &format!("[[file]]\npath = \"/srv/{block}\"\ncontent = \"x\"\n");
    }
    let site = Site::new(places.clone());
    let mut hear = |told| {
        if matches!(told, Told::Begun(_)) {
            fill(disk.0.path());
        }
    };
    let end = site.execute(order(&text, "0000"), &mut hear).unwrap();
    let End::Report { report, .. } = end else {
        panic!("{end:?}")
    };
    assert_eq!(report.count(Outcome::Failed), 1, "{report:?}");
    let there = fs::read_dir(dir.path().join("root/srv")).unwrap().count();
    assert_eq!(
        there,
        report.count(Outcome::Changed),
        "no effect without its intent"
    );
    assert!(there < 200);
    assert!(
        site.interrupted().unwrap().is_none(),
        "its journal has its end"
    );
    let mut last = None;
    let audit = Audit::open(&places).unwrap();
    audit
        .read(0, 1, &mut |line| {
            last = Some(serde_json::from_str::<Record>(&line).unwrap());
            true
        })
        .unwrap();
    let last = last.unwrap();
    assert_eq!(
        (&last.kind[..], &last.detail["failed"][..]),
        ("run-ended", "1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_pinned_is_recorded() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let more = TestClient::new("more").pin("status");
    hpt_keystore::target::add_client(
        &server.keystore(),
        &more,
        Existing::Keep,
        hpt_keystore::target::Lockout::Refuse,
    )
    .unwrap();
    let records = log_until(&mut client, "pins-changed").await;
    let detail = &find(&records, "pins-changed").detail;
    assert_eq!((detail.len(), &detail["added"][..]), (1, "more"));
}

/// A file system of its own in memory, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=700"),
            "none",
        ]);
        if mount
            .arg(dir.path())
            .status()
            .is_ok_and(|status| status.success())
        {
            return Some(Self(dir));
        }
        let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
        assert!(!insists, "a file system cannot be mounted here");
        eprintln!("skipped: a file system cannot be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
