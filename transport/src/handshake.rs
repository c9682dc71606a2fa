//! The Noise handshake as states that are spent: `Hello -> AwaitReply -> Established` at the
//! initiator, `ExpectHello -> ExpectConfirm -> Established` at the responder. No I/O.

use std::sync::Arc;

use snow::{Builder, HandshakeState, TransportState};
use thiserror::Error;

use hpt_keystore::{Psk, PublicKey};

use crate::allow::Pins;
use crate::local::LocalKey;
use crate::resolver::Resolver;
use crate::wire::{HELLO, Mac1Key, NOISE_1, NOISE_2, Prologue, REPLY, SUITE, TAG, VERSION};
use crate::x25519::{Gate, STATIC};

/// The pre-shared key is mixed in at the end of message 2.
pub(crate) const PSK_PLACE: usize = 2;

/// Two ends that have authenticated each other, and the keys between them.
pub(crate) struct Established {
    pub(crate) noise: TransportState,
    pub(crate) peer: PublicKey,
    /// The key of this end that the other one knows.
    pub(crate) own: PublicKey,
    /// The same 32 bytes at both ends, and in no other session (H13).
    pub(crate) hash: [u8; 32],
}

/// The initiator before its first byte.
pub(crate) struct Hello {
    noise: HandshakeState,
    target: PublicKey,
    own: PublicKey,
}

impl Hello {
    // <- s
    pub(crate) fn new(local: &LocalKey, target: PublicKey, psk: &Psk, prologue: Prologue) -> Self {
        let mut noise = builder(local, Gate::Chosen)
            .prologue(&prologue.bytes())
            .and_then(|noise| noise.local_private_key(STATIC))
            .and_then(|noise| noise.remote_public_key(target.as_bytes()))
            .and_then(Builder::build_initiator)
            .expect("every part of IKpsk2 is given once");
        noise
            .set_psk(PSK_PLACE, psk.expose())
            .expect("the key has 32 bytes");
        Self {
            noise,
            target,
            own: local.public(),
        }
    }

    /// Nothing rides in message 1: it can be replayed, and its secrecy ends with the target's key.
    pub(crate) fn send(mut self) -> Result<(AwaitReply, [u8; HELLO]), BadReply> {
        // -> e, es, s, ss
        let mut message = [0; NOISE_1];
        self.noise
            .write_message(&[], &mut message)
            .map_err(|_| BadReply)?;
        let hello = Mac1Key::of(&self.target).seal(&message);
        let next = AwaitReply {
            noise: self.noise,
            target: self.target,
            own: self.own,
        };
        Ok((next, hello))
    }
}

/// The initiator after its hello.
pub(crate) struct AwaitReply {
    noise: HandshakeState,
    target: PublicKey,
    own: PublicKey,
}

impl AwaitReply {
    pub(crate) fn read(mut self, reply: &[u8; REPLY]) -> Result<Established, BadReply> {
        // <- e, ee, se, psk
        self.noise
            .read_message(reply, &mut [])
            .map_err(|_| BadReply)?;
        Ok(established(self.noise, self.target, self.own))
    }
}

/// The reply was not made by the key that this client pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the handshake does not hold")]
pub(crate) struct BadReply;

/// The responder before the first byte.
pub(crate) struct ExpectHello {
    locals: Arc<[LocalKey]>,
    prologue: Prologue,
}

/// Why a responder will not answer. The peer is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadHello {
    #[error("it speaks another version of the wire")]
    Version,
    #[error("it does not know this target's public key")]
    Mac1,
    #[error("its hello was answered before")]
    Replay,
    #[error("its handshake does not hold")]
    Noise,
    #[error("its key is not pinned")]
    NotPinned(PublicKey),
}

impl ExpectHello {
    /// `locals` are the keys of this end that a peer may know it by.
    pub(crate) fn new(locals: Arc<[LocalKey]>, prologue: Prologue) -> Self {
        Self { locals, prologue }
    }

    /// Costs no X25519 unless the sender knows a public key of this end (H6).
    pub(crate) fn check(self, hello: &[u8; HELLO]) -> Result<ProvenHello<'_>, BadHello> {
        if hello[0] != VERSION {
            return Err(BadHello::Version);
        }
        let known = |local: &LocalKey| Some((local.clone(), local.mac1().open(hello)?));
        let (local, message) = self.locals.iter().find_map(known).ok_or(BadHello::Mac1)?;
        Ok(ProvenHello {
            local,
            prologue: self.prologue,
            message,
        })
    }
}

/// Message 1 of a peer that knows this end's public key; it may still be anyone's replay.
pub(crate) struct ProvenHello<'a> {
    local: LocalKey,
    prologue: Prologue,
    message: &'a [u8],
}

impl ProvenHello<'_> {
    /// What no other hello has: the first half of `e`.
    pub(crate) fn mark(&self) -> [u8; 16] {
        *self.message.first_chunk().expect("message 1 has 96 bytes")
    }

    /// One X25519 for a key that is not among `pins`, four for one that is.
    pub(crate) fn answer(self, pins: &Arc<Pins>) -> Result<(ExpectConfirm, [u8; REPLY]), BadHello> {
        // <- s
        let mut noise = builder(&self.local, Gate::Pinned(Arc::clone(pins)))
            .prologue(&self.prologue.bytes())
            .and_then(|noise| noise.local_private_key(STATIC))
            .and_then(Builder::build_responder)
            .expect("every part of IKpsk2 is given once");

        // -> e, es, s, ss
        let read = noise.read_message(self.message, &mut []);
        let claimed: [u8; 32] = noise
            .get_remote_static()
            .and_then(|key| key.try_into().ok())
            .ok_or(BadHello::Noise)?;
        let pin = match (pins.find(&claimed), read) {
            (Some(pin), Ok(_)) => pin,
            (Some(_), Err(_)) => return Err(BadHello::Noise),
            (None, _) => {
                let key = PublicKey::from_bytes(claimed).map_err(|_| BadHello::Noise)?;
                return Err(BadHello::NotPinned(key));
            }
        };

        // <- e, ee, se, psk
        let mut reply = [0; NOISE_2];
        noise
            .set_psk(PSK_PLACE, pin.psk.expose())
            .and_then(|()| noise.write_message(&[], &mut reply))
            .map_err(|_| BadHello::Noise)?;
        Ok((
            ExpectConfirm(established(noise, pin.key, self.local.public())),
            reply,
        ))
    }
}

/// The responder after its reply. Message 1 may have been a replay; only the owner of the key can
/// make the record that comes next (H7).
pub(crate) struct ExpectConfirm(Established);

/// An empty record: it proves the handshake, and later tells that its sender rekeys.
pub(crate) const CONFIRM: usize = TAG;

impl ExpectConfirm {
    pub(crate) fn read(mut self, record: &[u8; CONFIRM]) -> Result<Established, BadHello> {
        self.0
            .noise
            .read_message(record, &mut [])
            .map_err(|_| BadHello::Noise)?;
        self.0.noise.rekey_incoming();
        Ok(self.0)
    }
}

impl Established {
    /// The initiator's side of [`ExpectConfirm`].
    pub(crate) fn confirm(&mut self) -> [u8; CONFIRM] {
        let mut record = [0; CONFIRM];
        self.noise
            .write_message(&[], &mut record)
            .expect("the first record of a session fits");
        self.noise.rekey_outgoing();
        record
    }
}

pub(crate) fn builder<'a>(local: &LocalKey, gate: Gate) -> Builder<'a> {
    let suite = SUITE.parse().expect("snow knows the suite's name");
    let resolver = Resolver {
        local: local.clone(),
        gate,
    };
    Builder::with_resolver(suite, Box::new(resolver))
}

fn established(mut noise: HandshakeState, peer: PublicKey, own: PublicKey) -> Established {
    let hash = noise
        .get_handshake_hash()
        .try_into()
        .expect("BLAKE2s gives 32 bytes");
    // snow keeps the pre-shared key in a plain array, so it is written over (H14).
    noise
        .set_psk(PSK_PLACE, &[0; 32])
        .expect("the zeros are 32 bytes");
    let noise = noise
        .into_transport_mode()
        .expect("both messages have passed");
    Established {
        noise,
        peer,
        own,
        hash,
    }
}
