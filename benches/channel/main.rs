//! Measures hpt's channel beside TLS 1.3, in turns, under the same gRPC call. See ../README.md.

mod noise;
mod tls;
mod transport;
mod upload;

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::noise::Noise;
use crate::tls::Tls;
use crate::transport::Transport;
use crate::upload::{Sink, connect, upload};

const ROUNDS: usize = 21;
const MESSAGE: usize = 1024 * 1024;
const MESSAGES: u16 = 512;
const CALLS: usize = 1000;
const IN_FLIGHT: u32 = 16;
const HANDSHAKES_EACH: u32 = 50;

/// One figure of each: hpt, TLS with AES, TLS with ChaCha20. They were taken one after the other, so that
/// a machine that slows down slows all.
type Turn = [f64; 3];

/// As many threads as the smallest machine that this is compared on has cores.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let hpt = Noise::new();
    let aes = Tls::new(TLS13_AES_256_GCM_SHA384);
    let chacha = Tls::new(TLS13_CHACHA20_POLY1305_SHA256);
    let channels = [serve(&hpt).await, serve(&aes).await, serve(&chacha).await];

    let [mut bulks, mut medians, mut slow, mut shaken] = [const { Vec::<Turn>::new() }; 4];
    for round in 0..=ROUNDS {
        let (mut rate, mut median, mut p99) = (Turn::default(), Turn::default(), Turn::default());
        for (channel, rate) in channels.iter().zip(&mut rate) {
            *rate = bulk(channel).await;
        }
        for ((channel, median), p99) in channels.iter().zip(&mut median).zip(&mut p99) {
            (*median, *p99) = calls(channel).await;
        }
        let shakes = [
            handshakes(&hpt).await,
            handshakes(&aes).await,
            handshakes(&chacha).await,
        ];
        // The first round warms up and is not counted.
        if round > 0 {
            bulks.push(rate);
            medians.push(median);
            slow.push(p99);
            shaken.push(shakes);
            eprintln!("round {round} of {ROUNDS}");
        }
    }
    print("MB/s", &bulks);
    print("handshakes/s", &shaken);
    print("us of a call, median", &medians);
    print("us of a call, 99 of 100", &slow);
}

/// Serves for as long as this process lives; a channel to the server.
async fn serve(transport: &impl Transport) -> Channel {
    let (at, incoming) = transport.listen().await;
    tokio::spawn(hpt_transport::grpc::server().serve_with_incoming(Sink, incoming));
    connect(transport, at).await
}

/// 10^6 bytes a second, of one stream of messages.
async fn bulk(channel: &Channel) -> f64 {
    let message = Bytes::from(vec![7; MESSAGE]);
    let times = usize::try_from(MESSAGES).expect("it is small");
    let begin = Instant::now();
    let got = upload(channel, message, times).await;
    let took = begin.elapsed();
    assert_eq!(got.expect("the call succeeds"), u64::from(MESSAGES) << 20);
    rate(f64::from(MESSAGES) * f64::from(1 << 20) / 1e6, took)
}

/// Microseconds from a small request to its answer, one call after another: of most, and of the slowest
/// of a hundred.
async fn calls(channel: &Channel) -> (f64, f64) {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begin = Instant::now();
        let got = upload(channel, Bytes::from_static(b"hello"), 1).await;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
        assert_eq!(got.expect("the call succeeds"), 5);
    }
    times.sort_by(f64::total_cmp);
    (times[CALLS / 2], times[CALLS * 99 / 100])
}

/// A second, with [`IN_FLIGHT`] callers at once, until both ends have done every handshake.
async fn handshakes<T: Transport>(transport: &T) -> f64 {
    const ALL: u32 = IN_FLIGHT * HANDSHAKES_EACH;
    let (at, incoming) = transport.listen().await;
    let mut incoming = pin!(incoming);
    let accepting = async {
        for _ in 0..ALL {
            let link = incoming.next().await.expect("the port stays open");
            drop(link.expect("the client is known"));
        }
    };
    let begin = Instant::now();
    let mut dialling = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let transport = transport.clone();
        dialling.spawn(async move {
            for _ in 0..HANDSHAKES_EACH {
                drop(transport.dial(at).await.expect("the target listens"));
            }
        });
    }
    tokio::join!(accepting, dialling.join_all());
    rate(f64::from(ALL), begin.elapsed())
}

fn rate(what: f64, took: Duration) -> f64 {
    what / took.as_secs_f64()
}

/// Medians and extremes of each transport, and of hpt by each TLS of the same round.
fn print(unit: &str, turns: &[Turn]) {
    println!("{unit:28} {:>8} {:>8} {:>8}", "median", "least", "most");
    line("hpt", 0, turns, |[hpt, ..]| *hpt);
    line("TLS 1.3 AES-256-GCM", 0, turns, |[_, aes, _]| *aes);
    line("TLS 1.3 ChaCha20-Poly1305", 0, turns, |[.., chacha]| {
        *chacha
    });
    line("hpt / TLS AES-256", 2, turns, |[hpt, aes, _]| hpt / aes);
    line("hpt / TLS ChaCha", 2, turns, |[hpt, _, chacha]| {
        hpt / chacha
    });
    println!();
}

fn line(name: &str, digits: usize, turns: &[Turn], figure: impl Fn(&Turn) -> f64) {
    let mut sorted: Vec<_> = turns.iter().map(figure).collect();
    sorted.sort_by(f64::total_cmp);
    let (least, median, most) = (
        sorted[0],
        sorted[sorted.len() / 2],
        sorted[sorted.len() - 1],
    );
    println!("{name:28} {median:8.digits$} {least:8.digits$} {most:8.digits$}");
}
