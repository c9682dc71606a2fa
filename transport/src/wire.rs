//! The bytes of the wire: version, prologue, sizes and mac1. WIRE.md tells the same in prose.

use std::time::Duration;

use blake2::digest::consts::U16;
use blake2::digest::{Digest, Mac};
use blake2::{Blake2s256, Blake2sMac};

use hpt_keystore::PublicKey;

/// The one suite; there is nothing to negotiate (H1). WIRE.md says why this cipher.
pub(crate) const SUITE: &str = "Noise_IKpsk2_25519_AESGCM_BLAKE2s";

/// The first byte of a connection; any other closes it (H1).
pub const VERSION: u8 = 1;

/// Length of an AEAD tag and of mac1.
pub(crate) const TAG: usize = 16;

/// `e` (32), encrypted `s` (32 + 16), the tag of an empty payload (16).
pub(crate) const NOISE_1: usize = 96;

/// `e` (32), the tag of an empty payload (16).
pub(crate) const NOISE_2: usize = 48;

/// All that the initiator sends unasked: version, Noise message 1, mac1.
pub(crate) const HELLO: usize = 1 + NOISE_1 + TAG;

/// All that the responder answers.
pub(crate) const REPLY: usize = NOISE_2;

/// The big-endian length in front of each record.
pub(crate) const LENGTH: usize = 2;

/// The longest record, tag included and length field excluded (H11).
pub(crate) const RECORD: usize = 16 * 1024;

/// The most plaintext that one record carries.
pub(crate) const PLAINTEXT: usize = RECORD - TAG;

/// The most records under one key, the empty one that ends its use included (H11).
pub(crate) const RECORDS_PER_KEY: u32 = 1 << 20;

/// How long a sender uses one key (H11).
pub(crate) const KEY_AGE: Duration = Duration::from_mins(15);

/// How long a session lives (H11).
pub(crate) const SESSION_AGE: Duration = Duration::from_hours(24);

const MAC1_LABEL: &[u8] = b"hpt/1 mac1";

/// Who opened the session; part of the prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the hub and sealed jobs will say the others")
)]
pub(crate) enum Initiator {
    /// A client that reaches out to a target.
    Client,
    /// A target that reaches out to a hub or a provider.
    Target,
    /// A hub that reaches out to another hub.
    Hub,
}

/// How the bytes travel; part of the prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the hub and sealed jobs will say the others")
)]
pub(crate) enum Route {
    /// Straight from one end to the other.
    Direct,
    /// Relayed by a hub that sees ciphertext.
    Hub,
}

/// What the session is for; part of the prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the hub and sealed jobs will say the others")
)]
pub(crate) enum Purpose {
    /// gRPC over HTTP/2.
    Rpc,
    /// Frames of other sessions, for a hub to pass on.
    Relay,
    /// One sealed job.
    Job,
}

/// What both ends must agree on before a handshake can succeed (H2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prologue {
    /// Who opened the session.
    pub(crate) initiator: Initiator,
    /// How the bytes travel.
    pub(crate) route: Route,
    /// What the session is for.
    pub(crate) purpose: Purpose,
}

impl Prologue {
    /// A client that dials a target and speaks gRPC to it.
    pub(crate) const CLIENT_RPC: Self = Self {
        initiator: Initiator::Client,
        route: Route::Direct,
        purpose: Purpose::Rpc,
    };

    /// The nine bytes that are mixed into the handshake hash.
    pub(crate) fn bytes(self) -> [u8; 9] {
        let initiator = match self.initiator {
            Initiator::Client => 1,
            Initiator::Target => 2,
            Initiator::Hub => 3,
        };
        let route = match self.route {
            Route::Direct => 1,
            Route::Hub => 2,
        };
        let purpose = match self.purpose {
            Purpose::Rpc => 1,
            Purpose::Relay => 2,
            Purpose::Job => 3,
        };
        [
            b'h', b'p', b't', b'/', b'1', VERSION, initiator, route, purpose,
        ]
    }
}

/// The key of mac1: whoever can compute it knows the target's public key, as strangers do not (H3).
#[derive(Clone)]
pub(crate) struct Mac1Key([u8; 32]);

impl Mac1Key {
    pub(crate) fn of(target: &PublicKey) -> Self {
        let hash = Blake2s256::new()
            .chain_update(MAC1_LABEL)
            .chain_update(target.as_bytes());
        Self(Digest::finalize(hash).into())
    }

    /// Writes a hello around Noise message 1.
    pub(crate) fn seal(&self, noise: &[u8; NOISE_1]) -> [u8; HELLO] {
        let mut hello = [0; HELLO];
        hello[0] = VERSION;
        hello[1..=NOISE_1].copy_from_slice(noise);
        let mac1 = self.mac(&hello[..=NOISE_1]).finalize().into_bytes();
        hello[1 + NOISE_1..].copy_from_slice(&mac1);
        hello
    }

    /// Gives Noise message 1 out of a hello, or nothing when its mac1 is wrong.
    pub(crate) fn open<'a>(&self, hello: &'a [u8; HELLO]) -> Option<&'a [u8]> {
        let (covered, mac1) = hello.split_at(1 + NOISE_1);
        self.mac(covered).verify_slice(mac1).ok()?;
        Some(&covered[1..])
    }

    fn mac(&self, covered: &[u8]) -> Blake2sMac<U16> {
        let mut mac =
            <Blake2sMac<U16> as Mac>::new_from_slice(&self.0).expect("BLAKE2s takes a 32 byte key");
        Mac::update(&mut mac, covered);
        mac
    }
}

#[cfg(test)]
mod tests {
    use hpt_keystore::SecretKey;

    use super::*;

    #[test]
    fn mac1_covers_every_bit() {
        let key = Mac1Key::of(&SecretKey::generate().public());
        let hello = key.seal(&[7; NOISE_1]);
        assert_eq!(key.open(&hello), Some(&[7; NOISE_1][..]));
        for bit in 0..HELLO * 8 {
            let mut bent = hello;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&bent), None, "bit {bit}");
        }
    }

    #[test]
    fn mac1_of_another_target_fails() {
        let [one, other] = [(); 2].map(|()| Mac1Key::of(&SecretKey::generate().public()));
        assert_eq!(other.open(&one.seal(&[7; NOISE_1])), None);
    }
}
