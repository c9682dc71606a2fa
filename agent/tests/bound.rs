//! An apply that is bound to a plan is held to it while it goes on, and a plan is applied once (A5).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply, delivery, plan};
use hpt_proto::{Delivery, End};
use hpt_provisioner::report::Outcome;

const EVERYTHING: &str = "status facts plan apply exec undo";

/// Somebody changes a file while an earlier block of the run goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_where_the_host_has_moved_since_its_plan() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["two", "three"] {
        fs::write(at(name), "old\n").unwrap();
    }
    let file = |name: &str| {
        let path = at(name).display().to_string();
        format!("[[file]]\nid = {name:?}\npath = {path:?}\ncontent = \"new\\n\"\n")
    };
    let [here, go] = ["here", "go"].map(|name| at(name).display().to_string());
    let wait = format!(
        "[[exec]]\nid = \"wait\"\nalways = true\ntimeout = \"20s\"\nscript = '''\n\
         touch {here}; while [ ! -e {go} ]; do sleep 0.01; done'''\n"
    );
    let config = delivery(&[file("one"), wait, file("two"), file("three")].concat());
    let agreed = plan(&mut client, &config, true).await.unwrap().unwrap();

    let theirs = {
        let (here, go, two) = (at("here"), at("go"), at("two"));
        tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            while !here.exists() {
                assert!(
                    start.elapsed() < Duration::from_secs(20),
                    "it did not begin"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            fs::write(two, "theirs\n").unwrap();
            fs::write(go, "").unwrap();
        })
    };
    let (_, end) = apply(&mut client, &config, Some(agreed.bound()), 4)
        .await
        .unwrap();
    theirs.await.unwrap();
    let End::Report { run, report, .. } = end else {
        panic!("{end:?}")
    };
    let outcomes: Vec<_> = report.blocks.iter().map(|block| block.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Changed,
            Outcome::Changed,
            Outcome::Failed,
            Outcome::NotRun
        ],
        "{report:?}"
    );
    let moved = format!(
        "the host has moved since the plan: {} is not as it was then",
        at("two").display()
    );
    let note = &report.blocks[2].note;
    assert!(note.starts_with(&moved), "{note}");
    let read = |name| fs::read_to_string(at(name)).unwrap();
    assert_eq!(
        (read("two").as_str(), read("three").as_str()),
        ("theirs\n", "old\n")
    );

    let (events, end) = apply(&mut client, &config, Some(agreed.bound()), 4)
        .await
        .unwrap();
    assert!(events.is_empty());
    assert!(
        matches!(&end, End::Used { planned, run: user } if *planned == agreed.digest && user.run == run),
        "{end:?}"
    );
}

fn motd() -> Delivery {
    delivery("[[file]]\npath = \"/motd\"\ncontent = \"hi\\n\"\n")
}

/// Whoever puts the host back as it was plans anew, and is not told that this was done before.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_once_also_where_the_host_is_as_it_was() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let mut digests = Vec::new();
    for _ in 0..3 {
        let agreed = plan(&mut client, &motd(), true).await.unwrap().unwrap();
        assert!(!digests.contains(&agreed.digest), "{digests:?}");
        digests.push(agreed.digest);
        let bound = Some(agreed.bound());
        let (_, end) = apply(&mut client, &motd(), bound.clone(), 1).await.unwrap();
        let End::Report { run, report, .. } = end else {
            panic!("{end:?}")
        };
        assert_eq!(report.count(Outcome::Changed), 1);
        fs::remove_file(server.root().join("motd")).unwrap();
        let (_, end) = apply(&mut client, &motd(), bound, 1).await.unwrap();
        assert!(
            matches!(&end, End::Used { run: user, .. } if user.run == run),
            "{end:?}"
        );
        assert!(!server.root().join("motd").exists(), "nothing was done");
    }
}
