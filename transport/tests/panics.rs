//! A panic in a handler costs its call, and perhaps its connection, but nobody else's (C4).

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod common;

use std::time::Duration;

use common::{Pair, call, echo, echoes, lenient};
use hpt_transport::grpc;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

const SEED: u64 = 0x00c4_5eed;
const PANICS: usize = 40;
const LONG: Duration = Duration::from_secs(10);

/// Where code of a service runs, and so may panic.
#[derive(Clone, Copy, Debug)]
enum Place {
    BeforeTheCall,
    Unary,
    BeforeTheStream,
    InTheStream,
}

impl Place {
    const ALL: [Self; 4] = [
        Self::BeforeTheCall,
        Self::Unary,
        Self::BeforeTheStream,
        Self::InTheStream,
    ];

    /// Makes the target panic there; how the caller sees it.
    async fn panic(self, channel: &Channel) -> Status {
        let answer = match self {
            Self::BeforeTheCall => call(channel, "/echo/Panic", b"").await.map(drop),
            Self::Unary => echo(channel, b"panic").await.map(drop),
            Self::BeforeTheStream => echoes(channel, b"panic").await.map(drop),
            Self::InTheStream => {
                let mut beats = echoes(channel, b"panic later").await.unwrap();
                loop {
                    match beats.message().await {
                        Ok(Some(_)) => {}
                        end => break end.map(drop),
                    }
                }
            }
        };
        answer.unwrap_err()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_stays_where_it_happened() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient());
    let other = grpc::connect(pair.dialer(at)).await.unwrap();
    let session = echo(&other, b"session").await.unwrap();
    let mut beats = echoes(&other, b"beat").await.unwrap();

    let mut unlucky = grpc::connect(pair.dialer(at)).await.unwrap();
    let mut dice = SEED;
    for n in 0..PANICS {
        // xorshift64*; its high bits are the good ones.
        dice ^= dice >> 12;
        dice ^= dice << 25;
        dice ^= dice >> 27;
        let drawn = dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 60;
        // Each once, and then as the dice say.
        let place = match Place::ALL.get(n) {
            Some(place) => *place,
            None => Place::ALL[usize::try_from(drawn % 4).unwrap()],
        };
        let what = format!("panic {n} of seed {SEED:#x}, {place:?}");
        timeout(LONG, place.panic(&unlucky))
            .await
            .unwrap_or_else(|_| panic!("{what} was never answered"));
        let beat = timeout(LONG, beats.message()).await;
        assert!(matches!(beat, Ok(Ok(Some(_)))), "{what} stopped a stream");
        let same = timeout(LONG, echo(&other, b"session")).await.unwrap();
        assert_eq!(same.unwrap(), session, "{what} cut another connection");
        if drawn >= 8 {
            unlucky = grpc::connect(pair.dialer(at)).await.unwrap();
        }
    }
}
