//! The cryptography under snow: ring's randomness and AEAD, BLAKE2s, and our own X25519.

use blake2::{Blake2s256, Digest};
use ring::aead::{self, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

use crate::local::LocalKey;
use crate::wire::TAG;
use crate::x25519::{Gate, X25519};

/// What snow asks for the primitives of one handshake.
pub(crate) struct Resolver {
    pub(crate) local: LocalKey,
    pub(crate) gate: Gate,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(KernelRandom(SystemRandom::new())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| -> Box<dyn Dh> {
            Box::new(X25519::new(self.local.clone(), self.gate.clone()))
        })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::Blake2s)
            .then(|| -> Box<dyn Hash> { Box::new(Blake2s(Blake2s256::default())) })
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM)
            .then(|| -> Box<dyn Cipher> { Box::new(AesGcm(aes(&[0; 32]))) })
    }
}

/// getrandom(2), through ring.
struct KernelRandom(SystemRandom);

impl Random for KernelRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest).map_err(|_| Error::Rng)
    }
}

struct Blake2s(Blake2s256);

impl Hash for Blake2s {
    fn name(&self) -> &'static str {
        "BLAKE2s"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Blake2s256::default();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}

struct AesGcm(LessSafeKey);

fn aes(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&aead::AES_256_GCM, key).expect("the key has 32 bytes");
    LessSafeKey::new(key)
}

/// Noise's nonce for this cipher: four zero bytes, then the counter, big-endian.
fn nonce(n: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&n.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = aes(key);
    }

    fn encrypt(&self, n: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce(n), aead::Aad::from(ad), text)
            .expect("a record is far shorter than the cipher's limit");
        rest[..TAG].copy_from_slice(tag.as_ref());
        plaintext.len() + TAG
    }

    fn decrypt(
        &self,
        n: u64,
        ad: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let (text, tag) = ciphertext.split_last_chunk::<TAG>().ok_or(Error::Decrypt)?;
        let out = out.get_mut(..text.len()).ok_or(Error::Decrypt)?;
        out.copy_from_slice(text); // ring leaves zeros here when the tag does not hold
        let tag = aead::Tag::from(*tag);
        let opened =
            self.0
                .open_in_place_separate_tag(nonce(n), aead::Aad::from(ad), tag, out, 0..);
        opened.map(|plain| plain.len()).map_err(|_| Error::Decrypt)
    }
}
