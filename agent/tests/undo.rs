//! An undo puts back what a run replaced, on a real host, and says before it starts what stays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use common::{TestClient, TestServer, apply_request, delivery, plan};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, PlanUndoRequest, UndoRequest};
use hpt_proto::{End, Told};
use hpt_provisioner::plan::Plan;
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

/// Whatever a person did since the run stays, and the plan of the undo says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_did_since_stays() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let path = |name: &str| server.root().join(name);
    fs::write(path("gone"), "old\n").unwrap();
    fs::write(path("mode"), "").unwrap();
    symlink("old", path("link")).unwrap();
    let run = apply(
        &mut client,
        "[[file]]\npath = \"/gone\"\nabsent = true\n\
         [[file]]\npath = \"/mode\"\ncontent = \"\"\nmode = \"0600\"\n\
         [[file]]\npath = \"/link\"\nsymlink_to = \"new\"\n\
         [[file]]\npath = \"/dir\"\ndir = true\n\
         [[file]]\npath = \"/secret\"\ncontent = \"mine\"\nsensitive = true\n",
    )
    .await;
    fs::write(path("gone"), "theirs\n").unwrap();
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(path("mode"), mode(0o711)).unwrap();
    fs::remove_file(path("link")).unwrap();
    symlink("theirs", path("link")).unwrap();
    fs::set_permissions(path("dir"), mode(0o700)).unwrap();
    fs::write(path("secret"), "theirs\n").unwrap();
    let request = PlanUndoRequest { run: run.clone() };
    let plan = client.plan_undo(request).await.unwrap().into_inner();
    for block in &plan.blocks {
        let stays = block.stays.join(" ");
        assert!(stays.ends_with("has changed since the run"), "{block:?}");
    }
    let (_, report) = undo(&mut client, &run).await;
    assert_eq!(report.count(Outcome::Skipped), 5, "{report:?}");
    for name in ["gone", "secret"] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), "theirs\n");
    }
    let bits = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([bits("mode"), bits("dir")], [0o711, 0o700]);
    let link = fs::read_link(path("link")).unwrap();
    assert_eq!(link.to_str(), Some("theirs"));
}

/// S1: what was written as a secret is never kept in the plain, however it is replaced; nor is it shown.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_as_a_secret_is_not_kept() {
    const CANARY: &str = "canary-7d20e1";
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let secret =
        format!("[[file]]\npath = \"/a\"\ncontent = \"PW={CANARY}\\n\"\nsensitive = true\n");
    let line = "[[line]]\npath = \"/a\"\nline = \"more\"\n";
    let plain = "[[file]]\npath = \"/a\"\ncontent = \"plain\\n\"\n";
    let absent = "[[file]]\npath = \"/a\"\nabsent = true\n";
    let is_clean = |what: &str| {
        for place in ["pre-images", "runs", "memos"] {
            let found = holds(&server.places().state.join(place), CANARY);
            assert!(!found, "{what}: the secret is in {place}");
        }
    };
    // Its undo removes it.
    let run = apply(&mut client, &secret).await;
    let (_, report) = undo(&mut client, &run).await;
    assert_eq!(report.count(Outcome::Reverted), 1, "{report:?}");
    assert!(!server.root().join("a").exists());
    is_clean("undone");
    for (what, next) in [("edited", line), ("replaced", plain), ("removed", absent)] {
        apply(&mut client, &secret).await;
        let shown: Plan = plan(&mut client, &delivery(next), true)
            .await
            .unwrap()
            .unwrap();
        assert!(!format!("{shown:?}").contains(CANARY), "{what}: {shown:?}");
        let run = apply(&mut client, next).await;
        is_clean(what);
        let (_, report) = undo(&mut client, &run).await;
        assert_eq!(report.count(Outcome::Skipped), 1, "{what}: {report:?}");
        is_clean(what);
    }
    // What has been plain ever since is kept and shown again.
    apply(&mut client, plain).await;
    let run = apply(&mut client, absent).await;
    let (_, report) = undo(&mut client, &run).await;
    assert_eq!(report.count(Outcome::Reverted), 1, "{report:?}");
    assert_eq!(
        fs::read_to_string(server.root().join("a")).unwrap(),
        "plain\n"
    );
}

/// Whether a file in a directory holds a text.
fn holds(dir: &Path, text: &str) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

/// Files are put back together, and in seconds also where they are many.
#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_put_back_together() {
    const MANY: usize = 1_500;
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let name = |n: usize| server.root().join(format!("srv/{n}"));
    for n in 0..MANY / 2 {
        fs::write(name(n), format!("old {n}")).unwrap();
    }
    let block = |n| format!("[[file]]\npath = \"/srv/{n}\"\ncontent = \"new {n}\"\n");
    let run = apply(&mut client, &(0..MANY).map(block).collect::<String>()).await;
    let began = Instant::now();
    let (_, report) = undo(&mut client, &run).await;
    println!("{MANY} files were put back in {:?}", began.elapsed());
    assert_eq!(report.count(Outcome::Reverted), MANY);
    for n in 0..MANY / 2 {
        assert_eq!(fs::read_to_string(name(n)).unwrap(), format!("old {n}"));
    }
    assert!(!name(MANY / 2).exists() && !name(MANY - 1).exists());
}

/// A file that was removed comes back without its ACL, and that is said before and after.
#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_are_not_kept_are_told() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let file = server.root().join("noted");
    fs::write(&file, "old\n").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&file, "user.note", b"x", flags).unwrap();
    let noted = |rest: &str| format!("[[file]]\npath = \"/noted\"\n{rest}\n");
    // What is written over it leaves it its attributes, and so does what is written back.
    let run = apply(&mut client, &noted("content = \"new\\n\"")).await;
    let (_, report) = undo(&mut client, &run).await;
    assert_eq!(report.count(Outcome::Reverted), 1, "{report:?}");
    let run = apply(&mut client, &noted("absent = true")).await;
    let request = PlanUndoRequest { run: run.clone() };
    let plan = client.plan_undo(request).await.unwrap().into_inner();
    let words = "/noted had attributes that were not kept: user.note";
    assert_eq!(plan.blocks[0].stays, [words]);
    let (_, report) = undo(&mut client, &run).await;
    assert_eq!(report.blocks[0].outcome, Outcome::Skipped, "{report:?}");
    assert!(report.blocks[0].note.contains(words), "{report:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "old\n");
}
