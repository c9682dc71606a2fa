//! The keys of the channel: X25519 pairs and the pre-shared key of two parties.

use std::fmt;

use thiserror::Error;
use x25519_dalek::StaticSecret;

use crate::secret::{Secret, secret_kind};

secret_kind! {
    /// An X25519 private key; X25519 clamps it at each use.
    SecretKey
}

impl SecretKey {
    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let secret = StaticSecret::from(*self.expose());
        PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }
}

secret_kind! {
    /// The 32 random bytes that one client and one target share, and nobody else.
    Psk
}

impl Psk {
    /// A second copy: one for each side of the pair it is made for.
    pub(crate) fn duplicate(&self) -> Self {
        Self(Secret::copy_of(self.expose()))
    }
}

/// An X25519 public key that has exactly one spelling and is not of low order (H8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a u-coordinate, little-endian.
    ///
    /// # Errors
    /// [`BadKey`] for every encoding that is not the one canonical spelling of its point, and for
    /// the points whose shared secret with anybody is zero: pinned, they would let anyone in.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, BadKey> {
        if bytes[31] & 0x80 != 0 {
            return Err(BadKey::HighBit);
        }
        if !below_prime(&bytes) {
            return Err(BadKey::NotCanonical);
        }
        if LOW_ORDER.contains(&bytes) {
            return Err(BadKey::LowOrder);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes of the u-coordinate, little-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, "PublicKey", self.as_bytes())
    }
}

/// `NAME(HEX)`, as public keys are shown to programmers.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8; 32]) -> fmt::Result {
    write!(f, "{name}(")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str(")")
}

/// Why 32 bytes are not a public key that may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// X25519 ignores bit 255, so with it set the bytes are a second name for another key.
    #[error("the public key has bit 255 set, which makes it another key's second name")]
    HighBit,
    /// The bytes encode a number that is not below 2^255 - 19.
    #[error("the public key is not in canonical form")]
    NotCanonical,
    /// The point has order 1, 2, 4 or 8.
    #[error("the public key is of low order, anyone could pose as its owner")]
    LowOrder,
    /// The bytes name no point of the Edwards curve.
    #[error("the signing key is not a point of the curve")]
    NotOnCurve,
}

/// Whether a little-endian number without bit 255 is below 2^255 - 19.
fn below_prime(bytes: &[u8; 32]) -> bool {
    let all_ones_above = bytes[31] == 0x7f && bytes[1..31].iter().all(|&byte| byte == 0xff);
    !(all_ones_above && bytes[0] >= 0xed)
}

/// The u-coordinates of order 1, 2, 4 and 8 on the curve and its twist, in canonical form.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// The table really holds what its name says, and nothing was mistyped.
    #[test]
    fn low_order_points_give_a_zero_secret() {
        for point in LOW_ORDER {
            assert_eq!(
                x25519_dalek::x25519([0x42; 32], point),
                [0; 32],
                "{point:02x?}"
            );
        }
    }

    /// H8: the twelve spellings that libsodium's table and the aliases of bit 255 make.
    #[test]
    fn every_bad_spelling_is_refused() {
        let prime_plus = |n: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + n, 0x7f);
            bytes
        };
        let mut refused = 0;
        let canonical = LOW_ORDER.iter().map(|&point| (point, BadKey::LowOrder));
        let wrapped = (0..=0x12).map(|n| (prime_plus(n), BadKey::NotCanonical));
        for (bytes, why) in canonical.chain(wrapped) {
            assert_eq!(PublicKey::from_bytes(bytes), Err(why));
            let mut alias = bytes;
            alias[31] |= 0x80;
            assert_eq!(PublicKey::from_bytes(alias), Err(BadKey::HighBit));
            refused += 2;
        }
        assert_eq!(refused, 48);
    }

    #[test]
    fn an_alias_of_a_good_key_is_refused() {
        let good = SecretKey::generate().public();
        assert_eq!(PublicKey::from_bytes(*good.as_bytes()), Ok(good));
        let mut alias = *good.as_bytes();
        alias[31] |= 0x80;
        assert_eq!(PublicKey::from_bytes(alias), Err(BadKey::HighBit));
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn public_half_matches_the_rfc() {
        let alice = [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2,
            0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5,
            0x1d, 0xb9, 0x2c, 0x2a,
        ];
        let public = SecretKey::from_bytes(Zeroizing::new(alice)).public();
        assert_eq!(
            format!("{public:?}"),
            "PublicKey(8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a)"
        );
    }
}
