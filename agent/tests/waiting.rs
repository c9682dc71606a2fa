//! Many clients at once: one runs, the others hear at once who does, and whoever waits for the host is
//! the next (A4).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{TestClient, TestServer, apply, apply_request, delivery};
use hpt_proto::wire::{self, AwaitFreeRequest};
use hpt_proto::{End, Running, Told};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Barrier;

const EVERYTHING: &str = "status facts plan apply exec undo";
const CLIENTS: usize = 50;
const WAITING: usize = 200;

/// A run that writes down the process that performs it, and waits until it may go on.
fn waits(dir: &Path) -> String {
    let [pid, part, go] = ["pid", "part", "go"].map(|name| dir.join(name).display().to_string());
    format!(
        "[[exec]]\nid = \"wait\"\nalways = true\ntimeout = \"60s\"\nscript = '''\n\
         echo $PPID > {part}; mv {part} {pid}; while [ ! -e {go} ]; do sleep 0.01; done'''\n"
    )
}

fn motd(dir: &Path) -> String {
    let path = dir.join("motd");
    format!("[[file]]\npath = \"{}\"\ncontent = \"\"\n", path.display())
}

async fn pid(dir: &Path) -> Pid {
    let start = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(dir.join("pid")) {
            return Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it did not run");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_clients_one_runs_and_who_waits_is_next() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let config = delivery(&waits(dir.path()));
    let start = Arc::new(Barrier::new(CLIENTS));
    let mut asking = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.connect(&laptop).await;
        let (request, start) = (apply_request(&config, None), Arc::clone(&start));
        asking.push(tokio::spawn(async move {
            start.wait().await;
            let asked = Instant::now();
            let mut told = client.apply(request).await.unwrap().into_inner();
            let first = told.message().await.unwrap().unwrap();
            let took = asked.elapsed();
            (Told::parse(first, &[], 1).unwrap(), took, (client, told))
        }));
    }
    let (mut begun, mut busy, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for asked in asking {
        let (told, took, session) = asked.await.unwrap();
        sessions.push(session);
        match told {
            Told::Begun(run) => begun.push(run.running),
            Told::End(End::Busy(holder)) => busy.push((took, holder)),
            _ => panic!("neither begun nor busy"),
        }
    }
    assert_eq!((begun.len(), busy.len()), (1, CLIENTS - 1));
    let holder: &Running = &begun[0];
    assert!(busy.iter().all(|(_, told)| told == holder), "{busy:?}");
    busy.sort_by_key(|(took, _)| *took);
    let (median, longest) = (busy[CLIENTS / 2].0, busy[CLIENTS - 2].0);
    println!("busy: half of them within {median:?}, all within {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");

    // Some wait; their host's holder is killed.
    let killed = pid(dir.path()).await;
    let mut waiting = Vec::new();
    for (mut client, _) in sessions.drain(..10) {
        waiting.push(tokio::spawn(async move {
            let request = AwaitFreeRequest { seconds: 60 };
            let reply = client.await_free(request).await.unwrap().into_inner();
            (Instant::now(), reply.running)
        }));
    }
    let mut next = server.connect(&laptop).await;
    let short = AwaitFreeRequest { seconds: 0 };
    let still = next.await_free(short).await.unwrap().into_inner();
    assert_eq!(still.running.map(Running::from).as_ref(), Some(holder));
    let at = Instant::now();
    kill_process(killed, Signal::KILL).unwrap();
    let mut longest = Duration::ZERO;
    for waiter in waiting {
        let (woke, running) = waiter.await.unwrap();
        assert_eq!(running, None);
        longest = longest.max(woke - at);
    }
    let motd = delivery(&motd(dir.path()));
    let (_, end) = apply(&mut next, &motd, None, 1).await.unwrap();
    assert!(
        matches!(&end, End::Report { report, .. } if report.succeeded()),
        "{end:?}"
    );
    println!(
        "free: told within {longest:?}, and the next run has ended within {:?}",
        at.elapsed()
    );
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    fs::write(dir.path().join("go"), "").unwrap(); // for the command that nobody waits for any more
}

/// The time that this process has worked, in ticks of 10 ms.
fn worked() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Many wait for a run to be confirmed that has told much: that costs next to nothing, and all are
/// told when it is.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_costs_nothing() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let text = "[[exec]]\nscript = \"head -c 4000000 /dev/urandom | base64\"\nalways = true\n";
    let request = wire::ApplyRequest {
        confirm: Some(600),
        ..apply_request(&delivery(text), None)
    };
    let mut told = client.apply(request).await.unwrap().into_inner();
    let mut run = String::new();
    while let Some(message) = told.message().await.unwrap() {
        if let Told::Begun(begun) = Told::parse(message, &[], 1).unwrap() {
            run = begun.running.run;
        }
    }
    let mut waiting = Vec::new();
    for _ in 0..WAITING / 25 {
        let client = server.connect(&laptop).await;
        for _ in 0..25 {
            let mut client = client.clone();
            waiting.push(tokio::spawn(async move {
                let reply = client.await_free(AwaitFreeRequest { seconds: 60 }).await;
                reply.unwrap().into_inner().running
            }));
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = worked();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let worked = worked() - before;
    println!("{WAITING} that wait cost {worked}0 ms of work in 2 s");
    let mut client = server.connect(&laptop).await;
    client.confirm(wire::ConfirmRequest { run }).await.unwrap();
    for waiter in waiting {
        assert_eq!(waiter.await.unwrap(), None);
    }
    assert!(worked < 60, "{worked}0 ms");
}

/// A day is the longest, as it is for a run that is to be confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_ever() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    let mut client = server.connect(&laptop).await;
    let seconds = 86_401;
    let refused = client.await_free(wire::AwaitFreeRequest { seconds }).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    let free = client
        .await_free(wire::AwaitFreeRequest { seconds: 86_400 })
        .await;
    assert_eq!(free.unwrap().into_inner().running, None, "nobody holds it");
}
