//! A run that must be confirmed stays if a session that began after it says so, and is undone if none
//! does (J3).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod guardian;
mod reverting;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply_request, delivery};
use hpt_agent::lock::Lock;
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, ConfirmRequest, StatusRequest};
use hpt_proto::{End, Told};
use tonic::transport::Channel;
use tonic::{Code, Status};

pub(crate) const EVERYTHING: &str = "status facts plan apply exec attach cancel undo";
pub(crate) const CONFIG: &str = "[[file]]\npath = \"/motd\"\ncontent = \"new\\n\"\n";

pub(crate) type Client = TargetClient<Channel>;

/// Applies a config that must be confirmed within so many seconds. The end, and the id of the run.
pub(crate) async fn apply(client: &mut Client, text: &str, seconds: u32) -> (End, String) {
    let request = wire::ApplyRequest {
        confirm: Some(seconds),
        ..apply_request(&delivery(text), None)
    };
    let mut stream = client.apply(request).await.unwrap().into_inner();
    let (mut blocks, mut run) = (0, String::new());
    while let Some(message) = stream.message().await.unwrap() {
        match Told::parse(message, &[], blocks).unwrap() {
            Told::Begun(begun) => {
                assert_eq!(begun.confirm, Duration::from_secs(seconds.into()));
                (blocks, run) = (begun.blocks.len(), begun.running.run);
            }
            Told::Event(_) => {}
            Told::End(end) => return (end, run),
        }
    }
    panic!("it had no end")
}

/// The run that has undone it, if one has.
pub(crate) async fn confirm(client: &mut Client, run: &str) -> Result<String, Status> {
    let run = run.to_owned();
    let reply = client.confirm(ConfirmRequest { run }).await?;
    Ok(reply.into_inner().reverted_by)
}

pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn motd(server: &TestServer) -> String {
    fs::read_to_string(server.root().join("motd")).unwrap()
}

/// The file of a run that says where its confirmation stands.
pub(crate) fn stage(server: &TestServer, run: &str, stage: &str) -> PathBuf {
    let all = walk(&server.places().state);
    let name = format!("{run}.{stage}");
    let found = all.into_iter().find(|path| path.ends_with(&name));
    found.unwrap_or_default()
}

pub(crate) fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Applies what has to be confirmed and runs to its end on this machine: a file, and what follows it.
pub(crate) async fn apply_live(
    server: &TestServer,
    laptop: &TestClient,
    text: &str,
    seconds: u32,
) -> String {
    let mut client = server.connect(laptop).await;
    let (end, run) = apply(&mut client, text, seconds).await;
    assert!(
        matches!(&end, End::Report { report, .. } if report.succeeded()),
        "{end:?}"
    );
    run
}

/// A file that becomes new, and a command that this script undoes.
pub(crate) fn file_and_command(dir: &Path, undo: &str) -> String {
    fs::write(dir.join("a"), "old\n").unwrap();
    format!(
        "[[file]]\npath = \"{}/a\"\ncontent = \"new\\n\"\n\
         [[exec]]\nid = \"command\"\nscript = \"true\"\nalways = true\nundo = '''{undo}'''\n",
        dir.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_confirmed_stays() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut old = server.connect(&laptop).await;
    let (end, run) = apply(&mut old, CONFIG, 1).await;
    assert!(matches!(end, End::Report { .. }), "{end:?}");

    let mut new = server.connect(&laptop).await;
    assert_eq!(confirm(&mut new, &run).await.unwrap(), "");
    // Who did not hear the answer asks again.
    assert_eq!(confirm(&mut new, &run).await.unwrap(), "");
    let audit = walk(&server.places().state).into_iter();
    let audit = audit.filter(|path| path.ends_with("audit.jsonl"));
    let is_recorded =
        |path: PathBuf| fs::read_to_string(path).is_ok_and(|all| all.contains("\"confirmed\""));
    assert!(audit.clone().count() == 1 && audit.into_iter().any(is_recorded));
    tokio::time::sleep(Duration::from_millis(1_500)).await; // the window, and some more
    assert_eq!(motd(&server), "new\n");
    let unasked = confirm(&mut new, "20260101-000000-0000").await;
    assert_eq!(unasked.unwrap_err().code(), Code::NotFound);
    // The host is free again.
    let next = CONFIG.replace("new", "newer");
    let (end, _) = apply(&mut new, &next, 0).await;
    assert!(matches!(end, End::Report { .. }), "{end:?}");
}

/// A session that began before the run's end proves nothing, and neither does a read over a new one.
#[tokio::test(flavor = "multi_thread")]
async fn reads_and_old_sessions_confirm_nothing() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut old = server.connect(&laptop).await;
    let (_, run) = apply(&mut old, CONFIG, 1).await;
    assert_eq!(motd(&server), "new\n");
    let refused = confirm(&mut old, &run).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("is older"), "{refused:?}");

    // The host is taken until it is decided.
    let other = "[[file]]\npath = \"/other\"\ncontent = \"\"\n";
    let (end, _) = apply(&mut old, other, 0).await;
    assert!(
        matches!(&end, End::Busy(holder) if holder.run == run),
        "{end:?}"
    );

    let mut new = server.connect(&laptop).await;
    until("an undo", || {
        assert!(!stage(&server, &run, "confirmed").exists());
        stage(&server, &run, "reverted").exists()
    })
    .await;
    new.status(StatusRequest {}).await.unwrap();
    assert_eq!(motd(&server), "old\n");
    let by = confirm(&mut new, &run).await.unwrap();
    assert_eq!(
        by,
        fs::read_to_string(stage(&server, &run, "reverted")).unwrap()
    );
    assert_eq!(motd(&server), "old\n");
}

/// What a session was let in by counts at the moment of the confirmation, whatever was known when it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_pinned_any_more_confirms_nothing() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut old = server.connect(&laptop).await;
    let (_, run) = apply(&mut old, CONFIG, 1).await;
    let mut new = server.connect(&laptop).await;
    let other = tempfile::tempdir().unwrap();
    common::keystore(other.path(), &[TestClient::new("other").pin(EVERYTHING)]);
    fs::copy(other.path().join("keystore.db"), server.keystore()).unwrap();
    confirm(&mut new, &run).await.unwrap_err();
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
}

/// What hpt could not start again with confirms nothing, though it serves still by what it read before.
#[tokio::test(flavor = "multi_thread")]
async fn a_keystore_that_cannot_be_read_again_confirms_nothing() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 1).await;
    let mut new = server.connect(&laptop).await;
    fs::set_permissions(server.keystore(), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = confirm(&mut new, &run).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("keystore.db"), "{refused:?}");
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
}

/// What the config says counts where the client says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_says_what_must_be_confirmed() {
    let laptop = TestClient::new("laptop");
    for (text, seconds) in [
        (CONFIG.to_owned(), 0),
        (format!("{CONFIG}confirm = true\n"), 120),
        (format!("{CONFIG}[settings]\nconfirm = \"90s\"\n"), 90),
        (
            format!("{CONFIG}confirm = true\n[settings]\nconfirm = 0\n"),
            0,
        ),
    ] {
        let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
        let mut client = server.connect(&laptop).await;
        let request = apply_request(&delivery(&text), None);
        let mut stream = client.apply(request).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap();
        let Told::Begun(begun) = Told::parse(first, &[], 1).unwrap() else {
            panic!("it did not begin")
        };
        assert_eq!(begun.confirm, Duration::from_secs(seconds), "{text}");
        while stream.message().await.unwrap().is_some() {}
        if seconds > 0 {
            // Nobody guards it when this test is over.
            let mut new = server.connect(&laptop).await;
            confirm(&mut new, &begun.running.run).await.unwrap();
        }
    }
}

/// The time in which a run can be confirmed begins when somebody can know that it has ended, however
/// slow the disk is.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_begins_when_the_end_is_told() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let [at, go] = ["at", "go"].map(|name| dir.path().join(name));
    let text = file_and_command(dir.path(), "true").replace(
        "script = \"true\"",
        &format!(
            "script = \"touch {}; while [ ! -e {} ]; do sleep 0.01; done\"",
            at.display(),
            go.display()
        ),
    );
    let mut client = server.connect(&laptop).await;
    let applied = tokio::spawn(async move { apply(&mut client, &text, 1).await });
    until("the command", || at.exists()).await;
    // Nothing can be recorded for longer than the time that the run has.
    let audit = server.places().state;
    let audit = walk(&audit)
        .into_iter()
        .find(|path| path.ends_with("audit.jsonl"));
    let audit = fs::File::open(audit.unwrap()).unwrap();
    rustix::fs::flock(&audit, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fs::write(go, "").unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    drop(audit);
    let (_, run) = applied.await.unwrap();
    let mut new = server.connect(&laptop).await;
    assert_eq!(confirm(&mut new, &run).await.unwrap(), "");
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "new\n");
}

/// What was armed and never began hides nothing that did, and goes.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_armed_and_never_began_hides_no_other() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 60).await;
    let armed = stage(&server, &run, "armed");
    let unbegun = armed.with_file_name("20000101-000000-0000.armed");
    fs::copy(&armed, &unbegun).unwrap();
    let other = "[[file]]\npath = \"/other\"\ncontent = \"\"\n";
    let (end, _) = apply(&mut client, other, 0).await;
    assert!(
        matches!(&end, End::Busy(holder) if holder.run == run),
        "{end:?}"
    );
    assert!(!unbegun.exists());
    let mut new = server.connect(&laptop).await;
    confirm(&mut new, &run).await.unwrap();
}

/// Whoever asks is told what waits, and how long still.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_tells_of_a_run_that_waits_to_be_confirmed() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 60).await;
    let told = client.status(StatusRequest {}).await.unwrap().into_inner();
    let waiting = told.confirming.expect("it is not decided yet");
    assert_eq!(waiting.run.unwrap().run, run);
    assert!((30..=60).contains(&waiting.left) && !waiting.goes_on && !waiting.undoing);
    let mut new = server.connect(&laptop).await;
    confirm(&mut new, &run).await.unwrap();
    let told = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(told.confirming, None);
}
