//! A run belongs to the target: it ends whatever becomes of its client, and tells its end once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{
    TestClient, TestServer, apply, apply_request, connect, delivery, try_connect, with_source,
};
use hpt_agent::lock;
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{StatusRequest, UndoRequest};
use hpt_proto::{End, Told};
use hpt_provisioner::report::{Event, Outcome};
use tonic::transport::Channel;

const EVERYTHING: &str = "status facts plan apply exec undo";

async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A run that waits for a file to go on, and leaves one when it is through.
fn waiting(dir: &Path) -> hpt_proto::Delivery {
    let (here, go, done) = (dir.join("here"), dir.join("go"), dir.join("done"));
    delivery(&format!(
        "[[exec]]\nid = \"wait\"\nscript = \"\"\"\ntouch {}\nwhile [ ! -e {} ]; do sleep 0.02; done\n\
         \"\"\"\nalways = true\n[[file]]\npath = \"{}\"\ncontent = \"done\"\n",
        here.display(),
        go.display(),
        done.display(),
    ))
}

/// H12, J2: a cut connection is not success, and the run goes on to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_its_client() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = server.dir.path().join("run-files");
    fs::create_dir(&dir).unwrap();
    let config = waiting(&dir);

    // The client's end of the wire goes through here, so that it can be cut.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let address = server.address;
    let relay = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let mut client = connect(&laptop, server.target, here).await;
    let mut stream = client
        .apply(apply_request(&config, None))
        .await
        .unwrap()
        .into_inner();
    let first = stream.message().await.unwrap().unwrap();
    let first = Told::parse(first, &config.request.files, 2).unwrap();
    assert!(matches!(first, Told::Begun(begun) if begun.blocks[0].id == "wait"));
    until("the command runs", || dir.join("here").exists()).await;

    relay.abort();
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                let told = Told::parse(message, &config.request.files, 2).unwrap();
                assert!(
                    !matches!(told, Told::End(_)),
                    "an end was heard over a cut wire"
                );
            }
            Ok(None) => panic!("a cut wire looked like a good end"),
            Err(_) => break,
        }
    }
    let places = hpt_agent::Places {
        root: "/".into(),
        ..server.places()
    };
    let running = lock::holder(&places)
        .unwrap()
        .expect("the run holds its host");
    assert_eq!(
        (running.by.as_str(), running.since),
        ("laptop", common::clock())
    );

    fs::write(dir.join("go"), "").unwrap();
    until("the run ends", || lock::holder(&places).unwrap().is_none()).await;
    assert_eq!(fs::read_to_string(dir.join("done")).unwrap(), "done");
}

/// A8: the server goes, the run stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_its_server() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let config = waiting(dir.path());
    let mut client = server.connect(&laptop).await;
    let mut stream = client
        .apply(apply_request(&config, None))
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    until("the command runs", || dir.path().join("here").exists()).await;
    let told = Instant::now();
    let scratch = server.stop().await;
    assert!(
        told.elapsed() < Duration::from_secs(3),
        "a run held the server up"
    );
    while let Ok(Some(message)) = stream.message().await {
        let told = Told::parse(message, &config.request.files, 2).unwrap();
        assert!(!matches!(told, Told::End(_)), "there was no end yet");
    }
    fs::write(dir.path().join("go"), "").unwrap();
    until("the run ends", || dir.path().join("done").exists()).await;
    drop(scratch);
}

/// H12: wherever the wire is cut, what is heard is a whole and honest end or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_anywhere_is_never_taken_for_success() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let config = delivery("[[file]]\npath = \"/etc/motd\"\ncontent = \"hello\"\n");
    let (mut whole, mut cut) = (0, 0);
    for most in (0..1200).step_by(24) {
        let relay = cut_after(server.address, most).await;
        let Some(mut client) = try_connect(&laptop, server.target, relay).await else {
            cut += 1;
            continue;
        };
        // `apply` itself fails the test if a stream ends well without an end.
        match apply(&mut client, &config, None, 1).await {
            Ok((_, End::Report { report, .. })) => {
                assert!(report.succeeded(), "{report:?}");
                assert!(server.root().join("etc/motd").exists());
                whole += 1;
            }
            // A run that lost its client may hold the host yet.
            Ok((_, End::Busy(_))) => whole += 1,
            Ok((_, end)) => panic!("{end:?}"),
            Err(_) => cut += 1,
        }
    }
    assert!(
        whole > 3 && cut > 10,
        "{whole} whole, {cut} cut: the cuts missed"
    );
}

/// A way to a server that ends when this many bytes have come back through it.
async fn cut_after(server: std::net::SocketAddr, most: u64) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, copy};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = tokio::net::TcpStream::connect(server).await.unwrap();
        let ((mut near_in, mut near_out), (far_in, mut far_out)) =
            (near.into_split(), far.into_split());
        let mut back = far_in.take(most);
        tokio::select! {
            _ = copy(&mut near_in, &mut far_out) => (),
            _ = copy(&mut back, &mut near_out) => (),
        }
    });
    here
}

/// H12: a process that dies is told as such, not as an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_has_no_end() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    // Its parent is the process of the run.
    let config = delivery("[[exec]]\nscript = \"kill -9 $PPID\"\nalways = true\n");
    let status = apply(&mut client, &config, None, 1).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}");
    assert!(
        status.message().contains("ended before the run did"),
        "{status:?}"
    );
    let places = hpt_agent::Places {
        root: "/".into(),
        ..server.places()
    };
    assert_eq!(
        lock::holder(&places).unwrap(),
        None,
        "the host is free again"
    );
}

/// J1: neither a config that is in place nor an undo takes the doubt away; and it is said whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_stays_in_doubt_until_it_is_run_again() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("file");
    let file = format!("[[file]]\npath = \"{}\"\ncontent = \"x\"\n", at.display());
    let command = "[[exec]]\nid = \"dies\"\nscript = \"kill -9 $PPID\"\nalways = true\n";
    let both = delivery(&(file.clone() + command));
    apply(&mut client, &both, None, 2).await.unwrap_err();
    let broken = async |client: &mut TargetClient<Channel>| {
        let status = client.status(StatusRequest {}).await.unwrap();
        status.into_inner().interrupted
    };
    let run = broken(&mut client).await.unwrap().run.unwrap().run;

    apply(&mut client, &delivery(&file), None, 1).await.unwrap();
    let still = broken(&mut client).await.map(|broken| broken.in_doubt);
    assert_eq!(still, Some(vec!["dies".to_owned()]), "all is in place");
    let request = UndoRequest { run: run.clone() };
    let mut undone = client.undo(request).await.unwrap().into_inner();
    while undone.message().await.unwrap().is_some() {}
    assert!(!at.exists());
    let (_, end) = apply(&mut client, &both, None, 2).await.unwrap();
    let End::InDoubt { run: told, blocks } = end else {
        panic!("{end:?}")
    };
    assert_eq!((told.run, blocks), (run, vec!["dies".to_owned()]));
}

/// X1: what a command inherits, and what arrives of it.
#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_and_the_servers_environment_does_not() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let config = delivery(
        "[[exec]]\nid = \"look\"\nscript = \"env; tr '\\\\0' '\\\\n' < /proc/$PPID/environ; umask; exit 3\"\nsuccess = [3]\nalways = true\n",
    );
    let (events, end) = apply(&mut client, &config, None, 1).await.unwrap();
    let mut output = Vec::new();
    for event in events {
        if let Event::Output { bytes, .. } = event {
            output.extend(bytes);
        }
    }
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains("PATH=/usr/local/sbin"), "{output}");
    assert!(!output.contains("CARGO"), "{output}");
    assert!(output.trim_end().ends_with("0022"), "{output}");
    let End::Report { report, .. } = end else {
        panic!("{end:?}")
    };
    assert_eq!(
        (report.blocks[0].outcome, report.blocks[0].exit),
        (Outcome::Changed, Some(3))
    );
}

/// S1: contents that come along are lent, never stored; nothing of an order is in arguments.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_touches_no_disk_but_its_own_file() {
    const CANARY: &str = "canary-93c1f0";
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let (path, seen) = (dir.path().join("key"), dir.path().join("seen"));
    let config = delivery(&format!(
        "[secret.token]\nenv = \"TOKEN\"\n\
         [[file]]\npath = \"{}\"\nsource = \"key.pem\"\nmode = \"0600\"\n\
         [[file]]\npath = \"{}-2\"\ncontent = \"{{{{ secret.token }}}}\"\n\
         [[exec]]\nscript = \"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null > {}; true\"\nalways = true\n",
        path.display(),
        path.display(),
        seen.display()
    ));
    let mut config = with_source(config, "key.pem", CANARY.as_bytes(), true);
    let secret = hpt_provisioner::secret::Secret::new(format!("{CANARY}-2"));
    config.request.secrets.insert("token".into(), secret);
    let mut client = server.connect(&laptop).await;
    let (events, end) = apply(&mut client, &config, None, 3).await.unwrap();
    let End::Report { report, .. } = &end else {
        panic!("{end:?}")
    };
    assert!(report.succeeded(), "{report:?}");
    assert!(!format!("{events:?} {end:?}").contains(CANARY));
    assert_eq!(fs::read_to_string(&path).unwrap(), CANARY);
    let seen = fs::read(&seen).unwrap();
    assert!(!seen.is_empty());
    assert!(
        !contains(&seen, CANARY),
        "it was in an argument or an environment"
    );
    for entry in walk(server.dir.path()) {
        // What goes while it is looked at is looked at no more.
        let bytes = fs::read(&entry).unwrap_or_default();
        assert!(!contains(&bytes, CANARY), "{}", entry.display());
    }
}

fn contains(bytes: &[u8], canary: &str) -> bool {
    bytes
        .windows(canary.len())
        .any(|window| window == canary.as_bytes())
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
