//! What an attacker between the two ends can do to a session: every bit bent, every mismatch.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;
use hpt_keystore::{Psk, SecretKey};
use snow::TransportState;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::allow::{Pin, Pins};
use crate::handshake::{
    AwaitReply, BadHello, BadReply, Established, ExpectConfirm, ExpectHello, Hello,
};
use crate::local::LocalKey;
use crate::record::{Opened, Opener, Sealer};
use crate::wire::{HELLO, Initiator, Mac1Key, NOISE_1, Prologue, Purpose, REPLY, Route};
use crate::x25519::tests::dhs_of;

/// A client and a target that pinned each other.
pub(crate) struct Ends {
    client: LocalKey,
    target: LocalKey,
    psk: [u8; 32],
    pins: Arc<Pins>,
}

impl Ends {
    pub(crate) fn new() -> Self {
        let client = LocalKey::new(SecretKey::generate());
        let psk = *Psk::generate().expose();
        let pin = Pin {
            key: client.public(),
            psk: Psk::from_bytes(psk.into()),
        };
        Self {
            client,
            target: LocalKey::new(SecretKey::generate()),
            psk,
            pins: Arc::new(Pins::new(vec![pin])),
        }
    }

    fn hello(&self, prologue: Prologue) -> (AwaitReply, [u8; HELLO]) {
        let psk = Psk::from_bytes(self.psk.into());
        Hello::new(&self.client, self.target.public(), &psk, prologue)
            .send()
            .unwrap()
    }

    fn answer(
        &self,
        hello: &[u8; HELLO],
        prologue: Prologue,
    ) -> Result<(ExpectConfirm, [u8; REPLY]), BadHello> {
        ExpectHello::new([self.target.clone()].into(), prologue)
            .check(hello)?
            .answer(&self.pins)
    }

    pub(crate) fn session(&self) -> (Established, Established) {
        let (await_reply, hello) = self.hello(Prologue::CLIENT_RPC);
        let (expect, reply) = self.answer(&hello, Prologue::CLIENT_RPC).unwrap();
        let mut client = await_reply.read(&reply).unwrap();
        let target = expect.read(&client.confirm()).unwrap();
        (client, target)
    }
}

fn bits<const N: usize>(message: [u8; N]) -> impl Iterator<Item = [u8; N]> {
    (0..N * 8).map(move |bit| {
        let mut bent = message;
        bent[bit / 8] ^= 1 << (bit % 8);
        bent
    })
}

/// H10: as they come, and with a mac1 that the attacker made anew.
#[test]
fn every_bit_of_the_hello_counts() {
    let ends = Ends::new();
    let (_, hello) = ends.hello(Prologue::CLIENT_RPC);
    for bent in bits(hello) {
        let spent = dhs_of(|| {
            let refused = ends.answer(&bent, Prologue::CLIENT_RPC).map(drop);
            assert!(matches!(refused, Err(BadHello::Version | BadHello::Mac1)));
        });
        assert_eq!(spent, 0, "H6: without a valid mac1 there is no X25519");
    }
    let noise: [u8; NOISE_1] = hello[1..=NOISE_1].try_into().unwrap();
    for bent in bits(noise) {
        let hello = Mac1Key::of(&ends.target.public()).seal(&bent);
        let refused = ends.answer(&hello, Prologue::CLIENT_RPC).map(drop);
        assert_eq!(refused, Err(BadHello::Noise));
    }
}

#[test]
fn every_bit_of_the_reply_counts() {
    let ends = Ends::new();
    for bit in 0..REPLY * 8 {
        let (await_reply, hello) = ends.hello(Prologue::CLIENT_RPC);
        let (_, mut reply) = ends.answer(&hello, Prologue::CLIENT_RPC).unwrap();
        reply[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            await_reply.read(&reply).map(drop),
            Err(BadReply),
            "bit {bit}"
        );
    }
}

#[test]
fn every_bit_of_the_confirmation_counts() {
    let ends = Ends::new();
    for bit in 0..16 * 8 {
        let (await_reply, hello) = ends.hello(Prologue::CLIENT_RPC);
        let (expect, reply) = ends.answer(&hello, Prologue::CLIENT_RPC).unwrap();
        let mut confirm = await_reply.read(&reply).unwrap().confirm();
        confirm[bit / 8] ^= 1 << (bit % 8);
        let refused = expect.read(&confirm).map(drop);
        assert_eq!(refused, Err(BadHello::Noise), "bit {bit}");
    }
}

/// H1: of 256 version bytes one is answered.
#[test]
fn every_other_version_is_refused() {
    let ends = Ends::new();
    let (_, mut hello) = ends.hello(Prologue::CLIENT_RPC);
    let answered = (0..=255_u8).filter(|version| {
        hello[0] = *version;
        match ends.answer(&hello, Prologue::CLIENT_RPC) {
            Ok(_) => true,
            Err(why) => {
                assert_eq!(why, BadHello::Version);
                false
            }
        }
    });
    assert_eq!(answered.collect::<Vec<_>>(), [crate::VERSION]);
}

/// H2: both ends refuse whenever they differ, and agree whenever they do not.
#[test]
fn every_mismatched_prologue_fails() {
    let ends = Ends::new();
    let mut all = Vec::new();
    for initiator in [Initiator::Client, Initiator::Target, Initiator::Hub] {
        for route in [Route::Direct, Route::Hub] {
            for purpose in [Purpose::Rpc, Purpose::Relay, Purpose::Job] {
                all.push(Prologue {
                    initiator,
                    route,
                    purpose,
                });
            }
        }
    }
    let mut refused = 0;
    for ours in &all {
        for theirs in &all {
            let (_, hello) = ends.hello(*ours);
            let answer = ends.answer(&hello, *theirs).map(drop);
            assert_eq!(answer.is_ok(), ours == theirs);
            refused += usize::from(answer.is_err());
        }
    }
    assert_eq!(refused, 18 * 17);
}

/// H6: what each kind of caller can make a target compute.
#[test]
fn a_stranger_costs_one_dh() {
    let ends = Ends::new();
    let (_, hello) = ends.hello(Prologue::CLIENT_RPC);
    let known = dhs_of(|| drop(ends.answer(&hello, Prologue::CLIENT_RPC).unwrap()));
    assert_eq!(known, 4);

    let stranger = Ends {
        client: LocalKey::new(SecretKey::generate()),
        target: ends.target.clone(),
        ..Ends::new()
    };
    let (_, hello) = stranger.hello(Prologue::CLIENT_RPC);
    let unknown = dhs_of(|| {
        let refused = ends.answer(&hello, Prologue::CLIENT_RPC).map(drop);
        assert_eq!(refused, Err(BadHello::NotPinned(stranger.client.public())));
    });
    assert_eq!(unknown, 1);
}

/// The pre-shared key is needed on top of both key pairs.
#[test]
fn another_psk_fails_at_the_client() {
    let ends = Ends::new();
    let (await_reply, hello) = Ends {
        psk: [7; 32],
        client: ends.client.clone(),
        target: ends.target.clone(),
        pins: Arc::clone(&ends.pins),
    }
    .hello(Prologue::CLIENT_RPC);
    let (_, reply) = ends.answer(&hello, Prologue::CLIENT_RPC).unwrap();
    assert_eq!(await_reply.read(&reply).map(drop), Err(BadReply));
}

/// H8: the low-order and non-canonical encodings, as the ephemeral key of a hello.
#[test]
fn low_order_ephemerals_are_refused() {
    let ends = Ends::new();
    let mut points = crate::x25519::tests::LOW_ORDER.to_vec();
    for point in &mut points.clone() {
        point[31] ^= 0x80;
        points.push(*point);
    }
    assert_eq!(points.len(), 14);
    for point in points {
        let mut noise = [0x5a; NOISE_1];
        noise[..32].copy_from_slice(&point);
        let hello = Mac1Key::of(&ends.target.public()).seal(&noise);
        let refused = ends.answer(&hello, Prologue::CLIENT_RPC).map(drop);
        assert_eq!(refused, Err(BadHello::Noise));
    }
}

/// H13: one name for each session, the same at both ends, and no key or ciphertext twice.
#[test]
fn a_session_has_a_name_of_its_own() {
    let ends = Ends::new();
    let mut seen = HashSet::new();
    for _ in 0..2000 {
        let (await_reply, hello) = ends.hello(Prologue::CLIENT_RPC);
        let (expect, reply) = ends.answer(&hello, Prologue::CLIENT_RPC).unwrap();
        let mut client = await_reply.read(&reply).unwrap();
        let confirm = client.confirm();
        let target = expect.read(&confirm).unwrap();
        assert_eq!(client.hash, target.hash);
        assert_eq!(client.peer, ends.target.public());
        assert_eq!(target.peer, ends.client.public());
        assert!(seen.insert(client.hash.to_vec()));
        assert!(seen.insert(hello[1..33].to_vec()));
        assert!(seen.insert(reply[..32].to_vec()));
        assert!(seen.insert(confirm.to_vec()));
    }
}

fn read(opener: &mut Opener, noise: &mut TransportState) -> Option<Vec<u8>> {
    let mut plain = [0; 512];
    let mut out = ReadBuf::new(&mut plain);
    let result = opener.open(noise, &mut out);
    assert_eq!(
        result == Ok(Opened::Data),
        !out.filled().is_empty(),
        "what is not authentic is not delivered"
    );
    result.ok().map(|_| out.filled().to_vec())
}

/// H10: each bit of the first ten records, both ways; a refused record changes nothing.
#[test]
fn every_bit_of_a_record_counts() {
    let (client, target) = Ends::new().session();
    let (mut client, mut target) = (client.noise, target.noise);
    for turn in 0..2 {
        let (from, to) = if turn == 0 {
            (&mut client, &mut target)
        } else {
            (&mut target, &mut client)
        };
        let mut sealer = Sealer::new(Instant::now());
        for record in 0..10_u8 {
            let said = vec![record; 20 + usize::from(record)];
            sealer.push(from, &said);
            sealer.seal_staged(from);
            let wire = sealer.unsent().to_vec();
            sealer.sent(wire.len());
            for bit in 0..wire.len() * 8 {
                let mut bent = wire.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                let mut opener = Opener::new();
                opener.sealed = BytesMut::from(&bent[..]);
                let got = read(&mut opener, to);
                // A longer length makes it wait for the rest, whatever comes.
                assert!(got.is_none_or(|plain| plain.is_empty()), "bit {bit}");
            }
            let mut opener = Opener::new();
            opener.sealed = BytesMut::from(&wire[..]);
            assert_eq!(read(&mut opener, to), Some(said));
        }
    }
}
