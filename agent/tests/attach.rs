//! A run's journal: heard from any event on, stopped on request, and honest after a kill.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply_request, delivery};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{self, AttachRequest, CancelRequest, StatusRequest};
use hpt_proto::{Begun, Delivery, End, Told};
use hpt_provisioner::report::Outcome;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

const EVERYTHING: &str = "status facts plan apply exec attach cancel";

type Client = TargetClient<Channel>;
type Stream = Streaming<wire::ApplyEvent>;

async fn start(client: &mut Client, config: &Delivery) -> Stream {
    let reply = client.apply(apply_request(config, None)).await;
    reply.unwrap().into_inner()
}

async fn attach(client: &mut Client, run: &str, from: usize) -> Stream {
    let request = AttachRequest {
        run: run.to_owned(),
        from: from.try_into().unwrap(),
    };
    client.attach(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Stream, blocks: usize) -> Told {
    let message = stream.message().await.unwrap().unwrap();
    Told::parse(message, &[], blocks).unwrap()
}

async fn begun(stream: &mut Stream) -> Begun {
    let Told::Begun(begun) = next(stream, 0).await else {
        panic!("it did not begin")
    };
    begun
}

/// The rest of a stream, in words, and its end.
async fn rest(stream: &mut Stream, blocks: usize) -> (Vec<String>, End) {
    let mut events = Vec::new();
    loop {
        match next(stream, blocks).await {
            Told::Begun(_) => panic!("it begins once"),
            Told::Event(event) => events.push(format!("{event:?}")),
            Told::End(end) => return (events, end),
        }
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Forty blocks, files and commands by turns.
fn forty(dir: &Path) -> String {
    let block = |i: usize| match i % 2 {
        0 => format!(
            "[[file]]\npath = \"{}/{i}\"\ncontent = \"{i}\"\n",
            dir.display()
        ),
        _ => format!("[[exec]]\nid = \"e{i}\"\nscript = \"echo {i}\"\nalways = true\n"),
    };
    (0..40).map(block).collect()
}

/// J2: a client whose connection is cut after any message hears the rest, each event once, while the
/// run goes on; and the run ends as if nothing had been cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_at_every_message_is_heard_whole() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let config = delivery(&forty(dir.path()));
    let mut client = server.connect(&laptop).await;

    let mut stream = start(&mut client, &config).await;
    let run = begun(&mut stream).await.running.run;
    let mut heard = Vec::new();
    let end = loop {
        match next(&mut stream, 40).await {
            Told::Begun(_) => panic!("it begins once"),
            Told::End(end) => break end,
            Told::Event(event) => heard.push(format!("{event:?}")),
        }
        // One message, and the connection goes.
        drop(stream);
        client = server.connect(&laptop).await;
        stream = attach(&mut client, &run, heard.len()).await;
        assert_eq!(begun(&mut stream).await.running.run, run);
    };
    let End::Report { report, .. } = &end else {
        panic!("{end:?}")
    };
    assert!(
        report.succeeded() && report.count(Outcome::Changed) == 40,
        "{report:?}"
    );
    assert!(heard.len() > 80, "{heard:#?}");

    let mut again = attach(&mut client, "", 0).await;
    assert_eq!(begun(&mut again).await.blocks.len(), 40);
    assert_eq!(rest(&mut again, 40).await, (heard, end));
    for i in (0..40).step_by(2) {
        let content = fs::read_to_string(dir.path().join(i.to_string())).unwrap();
        assert_eq!(content, i.to_string());
    }
}

/// From every event of a run that has ended, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_ended_is_heard_from_any_event_on() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let config = delivery(
        "[[file]]\npath = \"/a\"\ncontent = \"a\"\n[[file]]\npath = \"/b\"\ncontent = \"b\"\n",
    );
    let mut stream = start(&mut client, &config).await;
    let run = begun(&mut stream).await.running.run;
    let (events, end) = rest(&mut stream, 2).await;
    assert_eq!(events.len(), 4);
    for from in 0..=events.len() + 1 {
        let mut stream = attach(&mut client, &run, from).await;
        begun(&mut stream).await;
        let wanted = events[from.min(events.len())..].to_vec();
        assert_eq!(
            rest(&mut stream, 2).await,
            (wanted, end.clone()),
            "from {from}"
        );
    }
    for unknown in ["20260101-000000-0000", "../../etc/passwd", "x.open"] {
        let mut stream = attach(&mut client, unknown, 0).await;
        let status = stream.message().await.map(drop).unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{unknown}");
    }
}

/// A run that is cancelled ends after its block, and says what did not run.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_before_its_next_block() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let (here, go) = (dir.path().join("here"), dir.path().join("go"));
    let config = delivery(&format!(
        "[[exec]]\nid = \"wait\"\nscript = \"touch {}; while [ ! -e {} ]; do sleep 0.02; done\"\nalways = true\n\
         [[file]]\npath = \"{}/done\"\ncontent = \"\"\n",
        here.display(),
        go.display(),
        dir.path().display()
    ));
    let mut client = server.connect(&laptop).await;
    let none = client.cancel(CancelRequest::default()).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);

    let mut stream = start(&mut client, &config).await;
    let run = begun(&mut stream).await.running.run;
    until("the command runs", || here.exists()).await;
    let other = CancelRequest {
        run: "20260101-000000-0000".into(),
    };
    assert_eq!(
        client.cancel(other).await.unwrap_err().code(),
        Code::NotFound
    );
    let stopping = client
        .cancel(CancelRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(stopping.run.unwrap().run, run);
    fs::write(go, "").unwrap();
    let (_, end) = rest(&mut stream, 2).await;
    let End::Report { report, .. } = end else {
        panic!("{end:?}")
    };
    let outcomes: Vec<_> = report.blocks.iter().map(|block| block.outcome).collect();
    assert_eq!(outcomes, [Outcome::Changed, Outcome::NotRun]);
    assert!(!dir.path().join("done").exists());
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert!(status.interrupted.is_none(), "a cancelled run has ended");
}

/// J1: a killed run is told as such by the next contact, block for block, and a command that may have
/// run is not run again unasked.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_told_as_it_stands() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let config = delivery(&format!(
        "[[file]]\npath = \"{}\"\ncontent = \"1\"\n\
         [[exec]]\nid = \"kill\"\nscript = \"[ -e {1}/again ] || kill -9 $PPID\"\nalways = true\n\
         [[file]]\npath = \"{1}/last\"\ncontent = \"3\"\n",
        first.display(),
        dir.path().display()
    ));
    let mut client = server.connect(&laptop).await;
    let mut stream = start(&mut client, &config).await;
    let run = begun(&mut stream).await.running.run;
    let broken = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a killed run looked like a good end"),
            Err(status) => break status,
        }
    };
    assert_eq!(broken.code(), Code::Aborted);

    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert!(status.running.is_none());
    let told = status.interrupted.expect("it broke off");
    assert_eq!(told.run.unwrap().run, run);
    assert_eq!(told.done, [format!("file:{}", first.display())]);
    assert_eq!(told.in_doubt, ["kill"]);
    assert_eq!(told.not_started, 1);

    fs::write(dir.path().join("again"), "").unwrap();
    let mut stream = start(&mut client, &config).await;
    let Told::End(End::InDoubt {
        run: broken,
        blocks,
    }) = next(&mut stream, 3).await
    else {
        panic!("it ran again unasked")
    };
    assert_eq!((broken.run, blocks), (run, vec!["kill".to_owned()]));

    let mut request = apply_request(&config, None);
    request.rerun = vec!["kill".to_owned()];
    let mut stream = client.apply(request).await.unwrap().into_inner();
    begun(&mut stream).await;
    let (_, end) = rest(&mut stream, 3).await;
    let End::Report { report, .. } = end else {
        panic!("{end:?}")
    };
    let outcomes: Vec<_> = report.blocks.iter().map(|block| block.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Changed, Outcome::Changed]);
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert!(status.interrupted.is_none());
}
