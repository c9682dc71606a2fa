//! What is logged: never a secret (H16), and one line a second for each source (L4).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Pair, answer, connect_from, echo, lenient};
use hpt_keystore::SecretKey;
use hpt_transport::{LocalKey, grpc};
use tokio::io::AsyncWriteExt;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every line of every crate at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().target().to_owned());
        span.record(&mut line);
        self.0.lock().unwrap().push(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The ways in which 32 bytes get printed by accident.
fn spellings(secret: &[u8; 32]) -> [String; 2] {
    let hex = secret.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let list = format!("{secret:?}");
    // Shorter than the whole: a piece of a key is no business of a log either.
    [hex[..16].to_owned(), list[1..24].to_owned()]
}

#[tokio::test]
async fn logs_are_few_and_hold_no_secret() {
    let everything = Everything::default();
    let _guard = tracing::subscriber::set_default(everything.clone());

    let (target, client) = (SecretKey::generate(), SecretKey::generate());
    let mut pair = Pair::new();
    let mut canaries = Vec::new();
    for secret in [target.expose(), client.expose(), &pair.psk] {
        canaries.extend(spellings(secret));
    }
    pair.target = LocalKey::new(target);
    pair.client = LocalKey::new(client);
    let pin = common::pin(pair.client.public(), pair.psk);
    pair.allow.replace(vec![pin]);
    let (at, _serving) = pair.serve(lenient());
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    echo(&channel, b"hello").await.unwrap();
    let stranger = LocalKey::new(SecretKey::generate());
    pair.dialer_as(&stranger, at)
        .dial()
        .await
        .map(drop)
        .unwrap_err();

    let begin = tokio::time::Instant::now();
    for host in [20, 21] {
        for _ in 0..50 {
            let mut stream = connect_from(host, at).await;
            stream.write_all(&[1; 113]).await.unwrap();
            answer(&mut stream, Duration::from_secs(3)).await.unwrap();
        }
    }
    pair.allow.replace(vec![]);
    echo(&channel, b"gone").await.unwrap_err();

    let lines = everything.0.lock().unwrap();
    assert!(
        lines.iter().any(|line| line.starts_with("h2")),
        "all is seen"
    );
    for line in lines.iter() {
        for canary in &canaries {
            assert!(!line.contains(canary), "a secret is in the log");
        }
    }
    let most = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    for host in [20, 21] {
        let about = format!("127.0.0.{host}:");
        let said = lines.iter().filter(|line| line.contains(&about)).count();
        assert!((1..=most).contains(&said), "{said} lines about one source");
    }
}
