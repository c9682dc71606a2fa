//! What a config owns on a target is kept there: over the channel its orphans are shown and pruned, an
//! undo gives them back, and `why` tells who may ask whose a thing is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{TestClient, TestServer, apply_request, delivery};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, UndoRequest, WhyRequest};
use hpt_proto::{Delivery, End, Told};
use hpt_provisioner::plan::Verdict;
use hpt_provisioner::report::{Outcome, Report};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

const EVERYTHING: &str = "status facts plan apply exec log undo";

/// The run's id and report; `blocks` is how many there are in one that had nothing to do.
async fn end(
    stream: Result<Streaming<wire::ApplyEvent>, Status>,
    mut blocks: usize,
) -> Result<(String, Report), Status> {
    let mut stream = stream?;
    while let Some(message) = stream.message().await? {
        match Told::parse(message, &[], blocks).unwrap() {
            Told::Begun(begun) => blocks = begun.blocks.len(),
            Told::Event(_) => {}
            Told::End(End::Report { run, report, .. }) => return Ok((run, report)),
            Told::End(end) => panic!("{end:?}"),
        }
    }
    panic!("it had no end")
}

async fn apply(
    client: &mut TargetClient<Channel>,
    delivery: &Delivery,
) -> Result<(String, Report), Status> {
    let plan = common::plan(client, delivery, false).await?.unwrap();
    let stream = client.apply(apply_request(delivery, None)).await;
    end(stream.map(tonic::Response::into_inner), plan.blocks.len()).await
}

async fn undo(client: &mut TargetClient<Channel>, run: String) -> (String, Report) {
    let stream = client.undo(UndoRequest { run }).await;
    end(stream.map(tonic::Response::into_inner), 0)
        .await
        .unwrap()
}

fn pruning(text: &str) -> Delivery {
    let mut delivery = delivery(text);
    delivery.request.given.prune = true;
    delivery
}

/// The verdicts of what left the config.
async fn orphans(client: &mut TargetClient<Channel>, text: &str) -> Vec<String> {
    let plan = common::plan(client, &delivery(text), false)
        .await
        .unwrap()
        .unwrap();
    let orphans = plan.blocks.into_iter();
    let orphans = orphans.filter(|block| block.verdict == Verdict::Orphan);
    orphans.map(|block| block.id).collect()
}

async fn why(client: &mut TargetClient<Channel>, what: &str) -> Result<wire::WhyReply, Status> {
    let request = WhyRequest {
        what: what.to_owned(),
        reveal: true,
    };
    Ok(client.why(request).await?.into_inner())
}

fn file(at: &str, text: &str) -> String {
    format!("[[file]]\npath = \"{at}\"\ncontent = \"{text}\\n\"\n")
}

/// The files in the directory of ledgers.
fn ledgers(server: &TestServer) -> PathBuf {
    let roots = fs::read_dir(server.places().state.join("roots")).unwrap();
    let root = roots.map(|entry| entry.unwrap().path()).next().unwrap();
    root.join("ledger")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_a_config_is_pruned_and_an_undo_gives_it_back() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let (a, b) = (file("/a", "1"), file("/b", "1"));
    let (_, report) = apply(&mut client, &delivery(&(a.clone() + &b)))
        .await
        .unwrap();
    assert_eq!(report.count(Outcome::Changed), 2);
    let dir = ledgers(&server);
    let names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(names, [dir.join("site.json")], "nothing else is left there");
    assert_eq!((mode(&dir), mode(&names[0])), (0o700, 0o600));

    assert_eq!(orphans(&mut client, &b).await, ["file:/a"]);
    // Where nothing is to be done it is noted where the blocks stand by now, and then nothing more.
    let mut written = Vec::new();
    for _ in 0..2 {
        let (run, report) = apply(&mut client, &delivery(&b)).await.unwrap();
        assert_eq!((run.as_str(), report.count(Outcome::Skipped)), ("", 1));
        written.push(fs::metadata(&names[0]).unwrap().modified().unwrap());
    }
    assert_eq!(written[0], written[1]);
    assert!(server.root().join("a").exists());

    let (run, report) = apply(&mut client, &pruning(&b)).await.unwrap();
    assert_eq!(report.count(Outcome::Changed), 1);
    assert!(!server.root().join("a").exists());
    assert_eq!(orphans(&mut client, &b).await, [""; 0]);

    let (undone, report) = undo(&mut client, run).await;
    assert_eq!(report.count(Outcome::Reverted), 1);
    assert!(server.root().join("a").exists());
    assert_eq!(
        orphans(&mut client, &b).await,
        ["file:/a"],
        "it is owned again"
    );
    drop(undo(&mut client, undone).await);
    assert!(!server.root().join("a").exists());
    assert_eq!(orphans(&mut client, &b).await, [""; 0]);

    // What an undone run had brought is nobody's.
    let (run, _) = apply(&mut client, &delivery(&file("/c", "1")))
        .await
        .unwrap();
    assert_eq!(why(&mut client, "path:/c").await.unwrap().owned.len(), 1);
    drop(undo(&mut client, run).await);
    let reply = why(&mut client, "path:/c").await.unwrap();
    assert_eq!((reply.owned.len(), reply.versions.len()), (0, 2));
}

/// A run that cannot note what it is about to own changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_used_stops_a_run() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    drop(
        apply(&mut client, &delivery(&file("/a", "1")))
            .await
            .unwrap(),
    );
    let dir = ledgers(&server);
    fs::create_dir(dir.join("site.new")).unwrap();
    let error = apply(&mut client, &delivery(&file("/b", "1")))
        .await
        .unwrap_err();
    assert!(
        error.message().contains("nothing was done, for the ledger"),
        "{error}"
    );
    assert!(!server.root().join("b").exists());
    fs::remove_dir(dir.join("site.new")).unwrap();
    drop(
        apply(&mut client, &delivery(&file("/b", "1")))
            .await
            .unwrap(),
    );

    fs::write(dir.join("site.json"), "{").unwrap();
    let error = apply(&mut client, &delivery(&file("/c", "1")))
        .await
        .unwrap_err();
    assert!(error.message().contains("is damaged"), "{error}");
    assert!(!server.root().join("c").exists());
}

/// Whose a file is, and its versions with what changed, for who may see content.
#[tokio::test(flavor = "multi_thread")]
async fn why_tells_whose_a_thing_is_and_what_runs_made_of_it() {
    let laptop = TestClient::new("laptop");
    let auditor = TestClient::new("auditor");
    let planner = TestClient::new("planner");
    let server = TestServer::start(&[
        laptop.pin(EVERYTHING),
        auditor.pin("log"),
        planner.pin("status facts plan apply exec"),
    ]);
    let mut client = server.connect(&laptop).await;
    assert_eq!(
        why(&mut client, "path:/a").await.unwrap(),
        wire::WhyReply::default()
    );
    let secret = "[secret.key]\nprompt = \"?\"\n\
        [[file]]\npath = \"/s\"\ncontent = \"{{ secret.key }}\"\nmode = \"0600\"\n";
    for text in ["one", "two"] {
        let mut delivery = delivery(&(file("/a", text) + secret));
        let value = hpt_provisioner::secret::Secret::new(format!("hunter2-{text}"));
        delivery.request.secrets.insert("key".to_owned(), value);
        drop(apply(&mut client, &delivery).await.unwrap());
    }
    let reply = why(&mut client, "path:/a").await.unwrap();
    let owned = &reply.owned[0];
    assert_eq!(
        (owned.config.as_str(), owned.id.as_str()),
        ("site", "file:/a")
    );
    assert_eq!(
        (owned.file.as_str(), owned.line, owned.made),
        ("site.toml", 1, true)
    );
    let last = owned.last.clone().unwrap();
    assert_eq!(last.run.unwrap().by, "laptop");
    assert_eq!(last.key.len(), 16, "the fingerprint of its key");
    assert_eq!(reply.versions.len(), 2);
    // Both runs are of one second here, and either may come first.
    let shown = reply.versions.iter();
    let shown = shown.map(|version| format!("{:?}", version.details));
    let shown: Vec<_> = shown.filter(|shown| shown.contains("two")).collect();
    assert!(shown.len() == 1 && shown[0].contains("one"), "{shown:?}");
    assert_eq!(
        why(&mut client, "file:/a").await.unwrap().versions,
        reply.versions
    );

    let reply = why(&mut client, "path:/s").await.unwrap();
    assert_eq!((reply.owned.len(), reply.versions.len()), (1, 2));
    assert!(
        reply
            .versions
            .iter()
            .all(|version| version.details.is_empty())
    );
    assert!(!format!("{reply:?}").contains("hunter2"));

    let mut other = server.connect(&auditor).await;
    let reply = why(&mut other, "path:/a").await.unwrap();
    assert_eq!((reply.owned.len(), reply.versions.len()), (1, 2));
    assert!(
        reply
            .versions
            .iter()
            .all(|version| version.details.is_empty())
    );
    let mut other = server.connect(&planner).await;
    let error = why(&mut other, "path:/a").await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
}

/// O2: a config that lists what it need not change owns it as well as one that makes it.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_config_has_found_in_place_is_not_pruned() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let named = |name: &str, text: &str| format!("name = \"{name}\"\n{text}");
    let both = [file("/shared", "1"), file("/own", "1")].concat();
    let config = delivery(&named("one", &both));
    let _ = apply(&mut client, &config).await.unwrap();
    let config = delivery(&named("two", &file("/shared", "1")));
    let (run, _) = apply(&mut client, &config).await.unwrap();
    assert_eq!(run, "", "there is nothing to do");

    let told = why(&mut client, "path:/shared").await.unwrap();
    let configs: Vec<_> = told.owned.iter().map(|owned| &owned.config).collect();
    assert_eq!(configs, ["one", "two"]);
    let text = named("one", &file("/new", "1"));
    let _ = apply(&mut client, &pruning(&text)).await.unwrap();
    assert!(server.root().join("shared").exists());
    assert!(!server.root().join("own").exists());
    let text = named("two", &file("/new", "1"));
    let _ = apply(&mut client, &pruning(&text)).await.unwrap();
    assert!(!server.root().join("shared").exists(), "its last owner");
}

/// O2: what a run has put back by itself is owned as it was before the run.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_check_has_put_back_is_not_owned() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let text = file(made.to_str().unwrap(), "1");
    let check = "[[check]]\ncmd = \"/bin/false\"\nwithin = 1\n";
    let (_, report) = apply(&mut client, &delivery(&(text + check)))
        .await
        .unwrap();
    assert_eq!(report.count(Outcome::Reverted), 1, "{report:?}");
    assert!(!made.exists());
    let thing = format!("path:{}", made.display());
    assert!(why(&mut client, &thing).await.unwrap().owned.is_empty());

    fs::write(&made, "somebody's\n").unwrap();
    let other = file(dir.path().join("other").to_str().unwrap(), "1");
    let _ = apply(&mut client, &pruning(&other)).await.unwrap();
    assert_eq!(fs::read_to_string(&made).unwrap(), "somebody's\n");
}
