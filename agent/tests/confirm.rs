//! A run that must be confirmed stays if a session that began after it says so, and is undone if none
//! does (J3).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

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

/// Applies what has to be confirmed and runs to its end on this machine: a file, and what follows it.
async fn apply_live(server: &TestServer, laptop: &TestClient, text: &str, seconds: u32) -> String {
    let mut client = server.connect(laptop).await;
    let (end, run) = apply(&mut client, text, seconds).await;
    assert!(
        matches!(&end, End::Report { report, .. } if report.succeeded()),
        "{end:?}"
    );
    run
}

/// A file that becomes new, and a command that this script undoes.
fn file_and_command(dir: &Path, undo: &str) -> String {
    fs::write(dir.join("a"), "old\n").unwrap();
    format!(
        "[[file]]\npath = \"{}/a\"\ncontent = \"new\\n\"\n\
         [[exec]]\nid = \"command\"\nscript = \"true\"\nalways = true\nundo = '''{undo}'''\n",
        dir.display()
    )
}

/// Nobody is told that a run was undone before it was, and what fails is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_undone_yet_is_undone_when_it_can() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let fixed = dir.path().join("fixed");
    let text = file_and_command(dir.path(), &format!("[ -e {} ]", fixed.display()));
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("a first try", || stage(&server, &run, "trouble").exists()).await;
    assert!(stage(&server, &run, "reverting").exists());
    assert!(!stage(&server, &run, "reverted").exists());
    // What can be put back is.
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
    let mut new = server.connect(&laptop).await;
    let refused = confirm(&mut new, &run).await.unwrap_err();
    assert!(refused.message().contains("command: "), "{refused:?}");
    fs::write(fixed, "").unwrap();
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    let reply = new.confirm(ConfirmRequest { run: run.clone() }).await;
    let reply = reply.unwrap().into_inner();
    assert!(!reply.reverted_by.is_empty());
    assert_eq!(reply.stays, [""; 0], "all is as it was");
    until("no trouble", || !stage(&server, &run, "trouble").exists()).await;
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

/// What nothing can put back keeps no run from being undone, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_back_is_told_with_the_undo() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let text = file_and_command(dir.path(), "").replace("undo = ''''''\n", "");
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    let mut new = server.connect(&laptop).await;
    let reply = new
        .confirm(ConfirmRequest { run })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.stays, ["command"]);
}

/// A host that another holds is waited for, and is not called as it was before.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_held_is_undone_when_it_is_free() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 1).await;
    let other = hpt_proto::Running {
        run: "other".to_owned(),
        by: "somebody".to_owned(),
        since: 0,
    };
    let lock = loop {
        if let Ok(lock) = Lock::take(&server.places(), &other) {
            break lock;
        }
    };
    until("a try", || stage(&server, &run, "reverting").exists()).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await; // a second try
    assert!(!stage(&server, &run, "reverted").exists());
    assert_eq!(motd(&server), "new\n");
    drop(lock);
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
    let by = fs::read_to_string(stage(&server, &run, "reverted")).unwrap();
    assert!(stage(&server, &by, "run").exists(), "{by} has a journal");
}

/// Nobody stops a guardian at its work; and who stops an undo of his own leaves the rest of it to the guardian.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_cancelled_is_brought_to_its_end() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    for is_users in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let [at, go] = ["at", "go"].map(|name| dir.path().join(name));
        let script = "touch AT; while [ ! -e GO ]; do sleep 0.01; done";
        let script = script.replace("AT", &at.display().to_string());
        let script = script.replace("GO", &go.display().to_string());
        let text = file_and_command(dir.path(), &script);
        let window = if is_users { 600 } else { 1 };
        let run = apply_live(&server, &laptop, &text, window).await;
        let mut client = server.connect(&laptop).await;
        let undo = if is_users {
            let run = run.clone();
            let undo = client.undo(wire::UndoRequest { run }).await.unwrap();
            Some(undo.into_inner())
        } else {
            None
        };
        until("an undo", || at.exists()).await;
        let mut new = server.connect(&laptop).await;
        confirm(&mut new, &run).await.unwrap_err();
        let cancelled = new.cancel(wire::CancelRequest::default()).await;
        assert_eq!(cancelled.is_ok(), is_users, "{cancelled:?}");
        if let Err(refused) = cancelled {
            assert!(refused.message().contains("puts back"), "{refused:?}");
        }
        assert!(!stage(&server, &run, "reverted").exists());
        fs::write(go, "").unwrap();
        if let Some(mut undo) = undo {
            while undo.message().await.unwrap().is_some() {}
        }
        until("all of it", || stage(&server, &run, "reverted").exists()).await;
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
    }
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

/// The process that guards a run: it alone has this file open.
fn guardian(server: &TestServer, run: &str) -> rustix::process::Pid {
    find_guardian(server, run).expect("somebody guards it")
}

fn find_guardian(server: &TestServer, run: &str) -> Option<rustix::process::Pid> {
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
    pids.next()
}

/// Whether a process is there that has ended and nobody waits for.
fn zombies() -> usize {
    let children = format!("/proc/{}/task", std::process::id());
    let tasks = fs::read_dir(children).unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let is_zombie = |child: &str| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    };
    children
        .map(|all| {
            all.split_whitespace()
                .filter(|child| is_zombie(child))
                .count()
        })
        .sum()
}

/// Whoever guarded a run was killed, and no client gets in: hpt notices that by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_guardian_was_killed_is_undone_without_any_contact() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 3).await;
    drop(client);
    for _ in 0..2 {
        let killed = guardian(&server, &run);
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
        let start = Instant::now();
        while find_guardian(&server, &run).is_none_or(|pid| pid == killed) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "nobody guards it"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
    until("all to be reaped", || zombies() == 0).await;
}

/// As if the guardian were killed in the midst of an undo.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_guardian_has_left_is_undone_without_any_contact() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let [at, go] = ["at", "go"].map(|name| dir.path().join(name));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.01; done",
        at.display(),
        go.display()
    );
    let text = file_and_command(dir.path(), &script);
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("an undo", || at.exists()).await;
    let killed = guardian(&server, &run);
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    fs::write(go, "").unwrap();
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
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
