//! An undo puts back what a run replaced, on a real host, and says before it starts what stays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{TestClient, TestServer, apply_request, delivery};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, PlanUndoRequest, UndoRequest};
use hpt_proto::{End, Told};
use hpt_provisioner::report::{Outcome, Report};
use tonic::transport::Channel;
use tonic::{Code, Streaming};

const EVERYTHING: &str = "status facts plan apply exec attach cancel undo";

/// The run's id and report.
async fn end(mut stream: Streaming<wire::ApplyEvent>) -> (String, Report) {
    let mut blocks = 0;
    while let Some(message) = stream.message().await.unwrap() {
        match Told::parse(message, &[], blocks).unwrap() {
            Told::Begun(begun) => blocks = begun.blocks.len(),
            Told::Event(_) => {}
            Told::End(End::Report { run, report, .. }) => return (run, report),
            Told::End(end) => panic!("{end:?}"),
        }
    }
    panic!("it had no end")
}

async fn apply(client: &mut TargetClient<Channel>, text: &str) -> String {
    let stream = client.apply(apply_request(&delivery(text), None)).await;
    let (run, report) = end(stream.unwrap().into_inner()).await;
    assert!(report.succeeded(), "{report:?}");
    run
}

async fn undo(client: &mut TargetClient<Channel>, run: &str) -> (String, Report) {
    let request = UndoRequest {
        run: run.to_owned(),
    };
    end(client.undo(request).await.unwrap().into_inner()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_replaced_is_put_back() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let none = client.plan_undo(PlanUndoRequest::default()).await;
    assert_eq!(none.unwrap_err().code(), Code::NotFound);

    let root = server.root();
    let path = |name: &str| root.join(name);
    for (name, text, mode) in [
        ("kept", "old\n", 0o640),
        ("lines", "a\nb\n", 0o600),
        ("gone", "gone\n", 0o644),
    ] {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("kept", path("link")).unwrap();
    let run = apply(
        &mut client,
        "[[file]]\npath = \"/kept\"\ncontent = \"new\\n\"\nmode = \"0600\"\n\
         [[line]]\npath = \"/lines\"\nline = \"c\"\n\
         [[file]]\npath = \"/gone\"\nabsent = true\n\
         [[file]]\npath = \"/link\"\nsymlink_to = \"lines\"\n\
         [[file]]\npath = \"/dir\"\ndir = true\n\
         [[file]]\npath = \"/dir/deep\"\ncontent = \"x\"\n",
    )
    .await;
    assert_eq!(fs::read_to_string(path("kept")).unwrap(), "new\n");

    let plan = client
        .plan_undo(PlanUndoRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(plan.run.unwrap().run, run);
    assert_eq!(plan.blocks.len(), 6);
    let stay: Vec<_> = plan
        .blocks
        .iter()
        .filter(|b| b.gone || !b.stays.is_empty())
        .collect();
    assert!(stay.is_empty(), "{stay:?}");

    let (undone, report) = undo(&mut client, &run).await;
    assert_eq!(report.count(Outcome::Reverted), 6, "{report:?}");
    for (name, text, mode) in [
        ("kept", "old\n", 0o640),
        ("lines", "a\nb\n", 0o600),
        ("gone", "gone\n", 0o644),
    ] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), text, "{name}");
        assert_eq!(
            fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777,
            mode,
            "{name}"
        );
    }
    assert_eq!(fs::read_link(path("link")).unwrap().to_str(), Some("kept"));
    assert!(!path("dir").exists());

    // An undo is a run: undone itself, the new state is back.
    let (_, report) = undo(&mut client, &undone).await;
    assert_eq!(report.count(Outcome::Reverted), 6, "{report:?}");
    assert_eq!(fs::read_to_string(path("kept")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(path("dir/deep")).unwrap(), "x");
}

/// What somebody else has changed since stays, and what a command did; both are said beforehand.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_back_is_told_before() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let run = apply(
        &mut client,
        &format!(
            "[[file]]\npath = \"{}\"\ncontent = \"mine\"\n[[exec]]\nid = \"once\"\nscript = \"true\"\nalways = true\n\
             [[file]]\npath = \"{}/other\"\ncontent = \"x\"\n",
            file.display(),
            dir.path().display()
        ),
    )
    .await;
    fs::write(&file, "theirs").unwrap();
    let request = PlanUndoRequest { run: run.clone() };
    let plan = client.plan_undo(request).await.unwrap().into_inner();
    let stays: Vec<_> = plan
        .blocks
        .iter()
        .map(|block| block.stays.join(" "))
        .collect();
    assert_eq!(stays[0], "");
    assert_eq!(stays[1], "its command has run");
    assert!(stays[2].ends_with("has changed since the run"), "{stays:?}");

    let (_, report) = undo(&mut client, &run).await;
    let outcomes: Vec<_> = report.blocks.iter().map(|block| block.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Reverted, Outcome::Skipped, Outcome::Skipped]
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
    assert!(!dir.path().join("other").exists());
    let unknown = client
        .undo(UndoRequest {
            run: "20260101-000000-0000".into(),
        })
        .await
        .unwrap();
    let status = unknown.into_inner().message().await.map(drop).unwrap_err();
    assert!(status.message().contains("there is no run"), "{status:?}");
}

/// Without a run it is the newest that is no undo and was not undone: twice is two steps back.
#[tokio::test(flavor = "multi_thread")]
async fn each_undo_goes_one_run_further_back() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let mut runs = Vec::new();
    for text in ["1", "2"] {
        let text = format!("[[file]]\npath = \"/motd\"\ncontent = \"{text}\\n\"\n");
        runs.push(apply(&mut client, &text).await);
    }
    let motd = server.root().join("motd");
    let mut undos = Vec::new();
    for (run, left) in [(&runs[1], Some("1\n")), (&runs[0], None)] {
        let plan = client.plan_undo(PlanUndoRequest::default()).await;
        let last = plan.unwrap().into_inner().run.unwrap().run;
        assert_eq!(last, *run);
        undos.push(undo(&mut client, &last).await.0);
        assert_eq!(fs::read_to_string(&motd).ok().as_deref(), left);
    }
    let none = client.plan_undo(PlanUndoRequest::default()).await;
    assert_eq!(none.unwrap_err().code(), Code::NotFound);
    // An undo that is named is undone as any run is.
    let _ = undo(&mut client, &undos[1]).await;
    assert_eq!(fs::read_to_string(&motd).unwrap(), "1\n");
}
