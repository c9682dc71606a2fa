//! A run that must be confirmed stays if a session that began after it says so, and is undone if none
//! does (J3).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply_request, delivery};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, ConfirmRequest, StatusRequest};
use hpt_proto::{End, Told};
use tonic::transport::Channel;
use tonic::{Code, Status};

const EVERYTHING: &str = "status facts plan apply exec attach cancel undo";
const CONFIG: &str = "[[file]]\npath = \"/motd\"\ncontent = \"new\\n\"\n";

type Client = TargetClient<Channel>;

/// Applies a config that must be confirmed within so many seconds. The end, and the id of the run.
async fn apply(client: &mut Client, text: &str, seconds: u32) -> (End, String) {
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
async fn confirm(client: &mut Client, run: &str) -> Result<String, Status> {
    let run = run.to_owned();
    let reply = client.confirm(ConfirmRequest { run }).await?;
    Ok(reply.into_inner().reverted_by)
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn motd(server: &TestServer) -> String {
    fs::read_to_string(server.root().join("motd")).unwrap()
}

/// The file of a run that says where its confirmation stands.
fn stage(server: &TestServer, run: &str, stage: &str) -> PathBuf {
    let all = walk(&server.places().state);
    let name = format!("{run}.{stage}");
    let found = all.into_iter().find(|path| path.ends_with(&name));
    found.unwrap_or_default()
}

fn walk(dir: &Path) -> Vec<PathBuf> {
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

/// Whoever guarded the run is gone after a boot; hpt sees to it when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_armed_before_a_boot_is_undone_after_it() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 1).await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    // As if the host had been booted within the time that the run had.
    let reverted = stage(&server, &run, "reverted");
    for gone in ["over", "guard"] {
        fs::remove_file(stage(&server, &run, gone)).unwrap();
    }
    fs::write(reverted.with_extension("armed"), "600 another-boot\n").unwrap();
    fs::remove_file(reverted).unwrap();
    fs::write(server.root().join("motd"), "new\n").unwrap();

    let server = server.restart().await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
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

/// What cannot be undone keeps nothing else from it; nor does a run that was killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_keeps_nothing_else() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let text = format!(
        "[[file]]\npath = \"{}\"\ncontent = \"new\\n\"\n\
         [[exec]]\nscript = \"touch {}; kill -9 $PPID\"\nalways = true\n",
        path("a").display(),
        path("ran").display()
    );
    let request = wire::ApplyRequest {
        confirm: Some(1),
        ..apply_request(&delivery(&text), None)
    };
    let mut stream = client.apply(request).await.unwrap().into_inner();
    let broken = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            other => break other.map(drop),
        }
    };
    assert_eq!(broken.unwrap_err().code(), Code::Aborted);
    until("the command", || path("ran").exists()).await;
    until("an undo", || {
        fs::read_to_string(path("a")).unwrap() == "old\n"
    })
    .await;
    assert!(path("ran").exists());
}

/// The process that guards a run: it alone has this file open.
fn guardian(server: &TestServer, run: &str) -> rustix::process::Pid {
    let guard = stage(server, run, "guard");
    let of = |pid: &Path| {
        let open = fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|file| file == guard)
    };
    let all = fs::read_dir("/proc")
        .unwrap()
        .map(|pid| pid.unwrap().path());
    let mut pids = all.filter(|pid| of(pid)).filter_map(|pid| {
        let name = pid.file_name()?.to_str()?;
        rustix::process::Pid::from_raw(name.parse().ok()?)
    });
    pids.next().expect("somebody guards it")
}

/// Whoever guarded a run was killed: the next who comes by finds that out, and it is undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_guardian_was_killed_is_undone_at_the_next_contact() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 2).await;
    let killed = guardian(&server, &run);
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await; // the window, and some more
    assert_eq!(motd(&server), "new\n", "nobody is there to undo it");

    let told = client.status(StatusRequest {}).await.unwrap().into_inner();
    let waiting = told.confirming.expect("it is not decided yet");
    assert_eq!((waiting.run.unwrap().run, waiting.left), (run.clone(), 0));
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
    let told = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(told.confirming, None);
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
