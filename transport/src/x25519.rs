//! An X25519 that refuses: zero outputs (T1, H8), and peers that are not pinned (H6).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use snow::Error;
use snow::types::{Dh, Random};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;

use crate::allow::Pins;
use crate::local::LocalKey;

/// Whom the static key may be multiplied with.
#[derive(Clone)]
pub(crate) enum Gate {
    /// The initiator: it chose its peer before the first byte.
    Chosen,
    /// The responder: nobody but these, checked before `ss` is computed (H6).
    Pinned(Arc<Pins>),
}

enum Scalar {
    None,
    /// The key of [`LocalKey`], which is never copied into snow.
    Static,
    /// On the heap, so that moving the owner does not leave copies behind on the stack.
    Ephemeral {
        secret: Box<Zeroizing<[u8; 32]>>,
        public: [u8; 32],
    },
}

/// X25519 whose zero output is an error, and which multiplies the static key with few.
pub(crate) struct X25519 {
    scalar: Scalar,
    local: LocalKey,
    /// The public half of `local`.
    public: [u8; 32],
    gate: Gate,
    /// How often the static key was used: the second time of a responder is `ss`.
    uses: AtomicU8,
}

/// What is given to snow as the private key: a mark that stands for the one in [`LocalKey`].
pub(crate) const STATIC: &[u8] = &[];

impl X25519 {
    /// Without a key of its own until `set` or `generate`.
    pub(crate) fn new(local: LocalKey, gate: Gate) -> Self {
        let public = *local.public().as_bytes();
        Self {
            scalar: Scalar::None,
            local,
            public,
            gate,
            uses: AtomicU8::new(0),
        }
    }

    fn own(&mut self, secret: Box<Zeroizing<[u8; 32]>>) {
        let public = Point::from(&StaticSecret::from(**secret)).to_bytes();
        self.scalar = Scalar::Ephemeral { secret, public };
    }

    /// The responder's static key meets `re`, then at `ss` the initiator's static key, and no more.
    fn admits(&self, peer: &[u8; 32]) -> bool {
        match &self.gate {
            Gate::Chosen => true,
            Gate::Pinned(pins) => match self.uses.fetch_add(1, Ordering::Relaxed) {
                0 => true,
                _ => pins.find(peer).is_some(),
            },
        }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    /// Takes [`STATIC`], or 32 bytes of a vector under test.
    fn set(&mut self, privkey: &[u8]) {
        match <[u8; 32]>::try_from(privkey) {
            Ok(secret) => self.own(Box::new(Zeroizing::new(secret))),
            Err(_) => self.scalar = Scalar::Static,
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        rng.try_fill_bytes(secret.as_mut_slice())?;
        self.own(secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        match &self.scalar {
            Scalar::None => &[0; 32],
            Scalar::Static => &self.public,
            Scalar::Ephemeral { public, .. } => public,
        }
    }

    /// Nothing of ours asks snow for a private key, so it gets none.
    fn privkey(&self) -> &[u8] {
        STATIC
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let peer: [u8; 32] = pubkey
            .get(..32)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Error::Dh)?;
        let secret = match &self.scalar {
            Scalar::None => return Err(Error::Dh),
            Scalar::Static if !self.admits(&peer) => return Err(Error::Dh),
            Scalar::Static => self.local.expose(),
            Scalar::Ephemeral { secret, .. } => secret,
        };
        #[cfg(test)]
        tests::count_dh();
        let shared = StaticSecret::from(*secret).diffie_hellman(&Point::from(peer));
        if bool::from(shared.as_bytes().ct_eq(&[0; 32])) {
            return Err(Error::Dh);
        }
        out[..32].copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use hpt_keystore::{Psk, SecretKey};

    use super::*;
    use crate::allow::Pin;

    thread_local!(static DHS: Cell<u32> = const { Cell::new(0) });

    pub(super) fn count_dh() {
        DHS.set(DHS.get() + 1);
    }

    /// How many X25519 this thread computed while `work` ran (H6).
    pub(crate) fn dhs_of(work: impl FnOnce()) -> u32 {
        let before = DHS.get();
        work();
        DHS.get() - before
    }

    /// The seven u-coordinates of order 1, 2, 4 and 8, in every spelling below 2^255 (H8).
    pub(crate) const LOW_ORDER: [[u8; 32]; 7] = [
        [0; 32],
        little(1),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        near_prime(0xec),
        near_prime(0xed),
        near_prime(0xee),
    ];

    const fn little(n: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = n;
        bytes
    }

    const fn near_prime(low: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = low;
        bytes[31] = 0x7f;
        bytes
    }

    /// T1: were such a key ever pinned, the DH would still refuse it.
    #[test]
    fn a_zero_secret_is_an_error() {
        let local = LocalKey::new(SecretKey::generate());
        for ephemeral in [false, true] {
            let mut dh = X25519::new(local.clone(), Gate::Chosen);
            if ephemeral {
                dh.set(SecretKey::generate().expose());
            } else {
                dh.set(STATIC);
            }
            for point in LOW_ORDER {
                let mut alias = point;
                alias[31] |= 0x80;
                for point in [point, alias] {
                    let mut out = [0x11; 32];
                    assert_eq!(dh.dh(&point, &mut out), Err(Error::Dh));
                    assert_eq!(out, [0x11; 32], "nothing comes out");
                }
            }
        }
    }

    /// T2: bit 255 makes a second spelling of the same point, which is not the pinned key.
    #[test]
    fn the_second_name_of_a_pinned_key_is_refused() {
        let pinned = SecretKey::generate().public();
        let pin = Pin {
            key: pinned,
            psk: Psk::generate(),
        };
        let gate = Gate::Pinned(Arc::new(Pins::new(vec![pin])));
        let mut dh = X25519::new(LocalKey::new(SecretKey::generate()), gate);
        dh.set(STATIC);
        let mut alias = *pinned.as_bytes();
        alias[31] |= 0x80;
        let mut out = [0; 32];
        dh.dh(pinned.as_bytes(), &mut out).unwrap(); // es: anybody's ephemeral
        assert_eq!(dh.dh(&alias, &mut out), Err(Error::Dh));
        assert_eq!(dh.dh(pinned.as_bytes(), &mut out), Ok(()));
    }

    /// H14: snow is never given the private key, so it cannot keep a copy.
    #[test]
    fn snow_gets_no_private_key() {
        let local = LocalKey::new(SecretKey::generate());
        let mut dh = X25519::new(local.clone(), Gate::Chosen);
        dh.set(STATIC);
        assert_eq!(dh.privkey(), &[0; 0]);
        assert_eq!(dh.pubkey(), local.public().as_bytes());
    }
}
