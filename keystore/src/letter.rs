//! A letter: a value that one target alone can open, as text for a config (keystore/LETTER.md).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::key::{PublicKey, SecretKey};

/// What the text begins with; another construction would have another.
const PREFIX: &str = "hpt1k:";

/// What the key of a letter is derived for.
const PURPOSE: &[u8; 16] = b"hpt1k letter key";

/// The longest value, in bytes.
const LONGEST: usize = 64 << 10;

/// Values are filled up to a multiple of this, so that a letter does not tell how long a password is.
const STEP: usize = 32;

/// The bytes of the tag.
const TAG: usize = 16;

/// A sealed value. Who wrote it cannot be told: whoever has a target's public key can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    ephemeral: PublicKey,
    sealed: Vec<u8>,
}

impl Letter {
    /// Seals a value of at most 64 KiB to a target's key; it opens under this name alone.
    ///
    /// # Errors
    /// [`BadLetter::TooLong`].
    pub fn seal(to: &PublicKey, name: &str, value: &[u8]) -> Result<Self, BadLetter> {
        Self::seal_with(&SecretKey::generate(), to, name, value)
    }

    fn seal_with(
        ephemeral: &SecretKey,
        to: &PublicKey,
        name: &str,
        value: &[u8],
    ) -> Result<Self, BadLetter> {
        if value.len() > LONGEST {
            return Err(BadLetter::TooLong);
        }
        let length = (value.len() + 1).next_multiple_of(STEP);
        let mut filled = Zeroizing::new(Vec::with_capacity(length));
        filled.extend_from_slice(value);
        filled.push(0x80);
        filled.resize(length, 0);
        let public = ephemeral.public();
        let cipher = cipher(ephemeral, to, &public, to).expect("no pinned key is of low order");
        let payload = Payload {
            msg: &filled,
            aad: name.as_bytes(),
        };
        let sealed = cipher.encrypt(&Nonce::default(), payload);
        Ok(Self {
            ephemeral: public,
            sealed: sealed.expect("ChaCha20-Poly1305 seals 64 KiB"),
        })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`BadLetter`], which never repeats the text: it may be the secret itself, put here in error.
    pub fn parse(text: &str) -> Result<Self, BadLetter> {
        let text = text.strip_prefix(PREFIX).ok_or(BadLetter::Prefix)?;
        if text.len() > (32 + LONGEST + STEP + TAG).div_ceil(3) * 4 {
            return Err(BadLetter::TooLong);
        }
        let bytes = BASE64.decode(text).map_err(|_| BadLetter::Damaged)?;
        let (ephemeral, sealed) = bytes.split_first_chunk().ok_or(BadLetter::Damaged)?;
        let filled = sealed.len().checked_sub(TAG).ok_or(BadLetter::Damaged)?;
        if filled == 0 || filled % STEP != 0 {
            return Err(BadLetter::Damaged);
        }
        Ok(Self {
            ephemeral: PublicKey::from_bytes(*ephemeral).map_err(|_| BadLetter::Damaged)?,
            sealed: sealed.to_vec(),
        })
    }

    /// The value, for the target that it was sealed to, under the name that it was sealed for.
    ///
    /// # Errors
    /// [`NotOpened`]; which of its reasons it is cannot be told.
    pub fn open(&self, own: &SecretKey, name: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let cipher = cipher(own, &self.ephemeral, &self.ephemeral, &own.public())?;
        let payload = Payload {
            msg: &self.sealed,
            aad: name.as_bytes(),
        };
        let filled = cipher.decrypt(&Nonce::default(), payload);
        let mut value = Zeroizing::new(filled.map_err(|_| NotOpened)?);
        let end = value.iter().rposition(|byte| *byte != 0);
        let end = end.filter(|end| value[*end] == 0x80).ok_or(NotOpened)?;
        value.truncate(end);
        Ok(value)
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.ephemeral.as_bytes()[..], &self.sealed].concat();
        write!(f, "{PREFIX}{}", BASE64.encode(bytes))
    }
}

/// The cipher of one letter. Its key is used once, hence the nonce of zeros.
fn cipher(
    own: &SecretKey,
    peer: &PublicKey,
    ephemeral: &PublicKey,
    to: &PublicKey,
) -> Result<ChaCha20Poly1305, NotOpened> {
    let peer = x25519_dalek::PublicKey::from(*peer.as_bytes());
    let shared = StaticSecret::from(*own.expose()).diffie_hellman(&peer);
    if !shared.was_contributory() {
        return Err(NotOpened);
    }
    let mut hash = Sha256::new_with_prefix(PURPOSE);
    hash.update(ephemeral.as_bytes());
    hash.update(to.as_bytes());
    hash.update(shared.as_bytes());
    let key = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    Ok(ChaCha20Poly1305::new(key.as_ref().into()))
}

/// Why a text is no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadLetter {
    /// It is something else.
    #[error("a sealed value begins `hpt1k:`")]
    Prefix,
    /// Letters of it are missing, too many or wrong.
    #[error("the sealed value is damaged; was it copied whole?")]
    Damaged,
    /// hpt seals no such value.
    #[error("a value is at most 64 KiB long")]
    TooLong,
}

/// A letter stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it was sealed for another key or another name, or was changed since")]
pub struct NotOpened;

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(value: &[u8]) -> (SecretKey, Letter) {
        let own = SecretKey::generate();
        let letter = Letter::seal(&own.public(), "db_url", value).unwrap();
        (own, letter)
    }

    #[test]
    fn a_letter_is_opened_by_its_key_under_its_name() {
        for length in [0, 1, 30, 31, 32, 33, 1000, LONGEST] {
            let value: Vec<u8> = (0..=255).cycle().take(length).collect();
            let (own, letter) = sealed(&value);
            let read = Letter::parse(&letter.to_string()).unwrap();
            assert_eq!(read, letter);
            assert_eq!(read.open(&own, "db_url").unwrap().as_slice(), value);
            assert_eq!(
                read.open(&SecretKey::generate(), "db_url"),
                Err(NotOpened),
                "another key"
            );
            for other in ["db_ur", "db_urll", "DB_URL", ""] {
                assert_eq!(read.open(&own, other), Err(NotOpened), "{other:?}");
            }
        }
        let own = SecretKey::generate().public();
        let long = Letter::seal(&own, "n", &vec![0; LONGEST + 1]);
        assert_eq!(long, Err(BadLetter::TooLong));
    }

    #[test]
    fn a_value_may_end_in_what_fills_others_up() {
        for value in [&b"\x80"[..], b"\0", b"a\x80\0\0", b"\x80\x80", &[0; 64]] {
            let (own, letter) = sealed(value);
            assert_eq!(letter.open(&own, "db_url").unwrap().as_slice(), value);
        }
    }

    #[test]
    fn lengths_of_passwords_are_not_told_apart() {
        let lengths: Vec<usize> = [0, 8, 20, 31]
            .map(|length| sealed(&vec![b'x'; length]).1.to_string().len())
            .into();
        assert!(
            lengths.windows(2).all(|two| two[0] == two[1]),
            "{lengths:?}"
        );
    }

    /// Every bit of the text, and every truncation: refused, whether it still reads as a letter.
    #[test]
    fn whatever_is_done_to_a_letter_is_noticed() {
        for length in [3, 40] {
            let (own, letter) = sealed(&vec![7; length]);
            let text = letter.to_string();
            let opens = |text: &str| {
                let letter = Letter::parse(text);
                letter.is_ok_and(|letter| letter.open(&own, "db_url").is_ok())
            };
            assert!(opens(&text));
            for bit in 0..text.len() * 8 {
                let mut bytes = text.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!opens(&String::from_utf8_lossy(&bytes)), "bit {bit}");
            }
            for end in 0..text.len() {
                assert!(!opens(&text[..end]), "{end} letters");
                assert!(!opens(&format!("{}A{}", &text[..end], &text[end..])));
            }
            for more in ["=", "==", "A", "\n", " "] {
                assert!(!opens(&format!("{text}{more}")), "{more:?} at the end");
            }
        }
    }

    /// H8 holds here too: no shared secret that everybody knows.
    #[test]
    fn ephemerals_of_low_order_are_refused() {
        let (_, letter) = sealed(b"x");
        for low in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let bytes = [&low[..], &letter.sealed].concat();
            let text = format!("{PREFIX}{}", BASE64.encode(bytes));
            assert_eq!(Letter::parse(&text), Err(BadLetter::Damaged));
        }
    }

    /// The vector of LETTER.md, which was made by another implementation.
    #[test]
    fn the_vector_of_the_page_comes_out() {
        let key = |byte| SecretKey::from_bytes(Zeroizing::new([byte; 32]));
        let (ephemeral, own) = (key(0x11), key(0x22));
        let letter = Letter::seal_with(&ephemeral, &own.public(), "db_url", b"hunter2").unwrap();
        let page = include_str!("../LETTER.md");
        let vector = page.lines().find(|line| line.starts_with(PREFIX)).unwrap();
        assert_eq!(letter.to_string(), vector);
        let read = Letter::parse(vector).unwrap();
        assert_eq!(read.open(&own, "db_url").unwrap().as_slice(), b"hunter2");
    }
}
