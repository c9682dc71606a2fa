//! The keys of signatures: Ed25519, for what a third party must be able to check.

use std::fmt;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use thiserror::Error;

use crate::key::{BadKey, write_hex};
use crate::secret::secret_kind;

secret_kind! {
    /// An Ed25519 private key: the seed of RFC 8032.
    SigningKey
}

impl SigningKey {
    /// The public half.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey((&self.expand()).into())
    }

    /// The signature of a message, 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let expanded = self.expand();
        raw_sign::<Sha512>(&expanded, message, &(&expanded).into()).to_bytes()
    }

    /// Not kept, so that nothing derived from the seed stays in memory; it wipes itself.
    fn expand(&self) -> ExpandedSecretKey {
        ExpandedSecretKey::from(self.expose())
    }
}

/// An Ed25519 public key in its one canonical spelling, not of low order (H8).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Takes the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`BadKey`] for bytes that are no point, a second spelling of one, or a point of low order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, BadKey> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| BadKey::NotOnCurve)?;
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(BadKey::NotCanonical);
        }
        if key.is_weak() {
            return Err(BadKey::LowOrder);
        }
        Ok(Self(key))
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Accepts exactly the signatures that this key's owner can have made of this message.
    ///
    /// # Errors
    /// [`BadSignature`] when it is any other, a malleated twin included.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| BadSignature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, "VerifyingKey", self.as_bytes())
    }
}

/// The signature is not that key's, or not of that message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not match the message and key")]
pub struct BadSignature;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_alone() {
        let key = SigningKey::generate();
        let mut signature = key.sign(b"run it");
        assert_eq!(key.verifying().verify(b"run it", &signature), Ok(()));
        assert_eq!(
            key.verifying().verify(b"run ot", &signature),
            Err(BadSignature)
        );
        signature[63] ^= 1;
        assert_eq!(
            key.verifying().verify(b"run it", &signature),
            Err(BadSignature)
        );
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn public_half_matches_the_rfc() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec,
            0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03,
            0x1c, 0xae, 0x7f, 0x60,
        ];
        let public = SigningKey::from_bytes(Zeroizing::new(seed)).verifying();
        assert_eq!(
            format!("{public:?}"),
            "VerifyingKey(d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a)"
        );
    }

    /// H8 for signing keys: low order, a second spelling, no point at all.
    #[test]
    fn every_bad_spelling_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut second_identity = identity;
        second_identity[31] = 0x80;
        let mut above_prime = [0xff; 32];
        (above_prime[0], above_prime[31]) = (0xee, 0x7f);
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(VerifyingKey::from_bytes(identity), Err(BadKey::LowOrder));
        assert_eq!(VerifyingKey::from_bytes([0; 32]), Err(BadKey::LowOrder));
        assert!(VerifyingKey::from_bytes(second_identity).is_err());
        assert_eq!(
            VerifyingKey::from_bytes(above_prime),
            Err(BadKey::NotCanonical)
        );
        assert_eq!(VerifyingKey::from_bytes(no_point), Err(BadKey::NotOnCurve));
    }
}
