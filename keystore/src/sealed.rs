//! Private keys under a passphrase: argon2id, then ChaCha20-Poly1305 (K3).

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use crate::identity::{Identity, Keypair};
use crate::own;
use crate::passphrase::{Passphrase, WrongPassphrase};
use crate::record::Reader;
use crate::unfit::Unfit;

/// What one guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory, in KiB.
    memory: u32,
    /// Passes over it.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

impl Cost {
    /// 64 MiB, three passes: about 0.2 s.
    pub(crate) const USUAL: Self = Self {
        memory: 64 << 10,
        passes: 3,
        lanes: 1,
    };

    /// At most 1 GiB, and four passes over that: about 5 s.
    fn is_bearable(self) -> bool {
        let work = u64::from(self.memory) * u64::from(self.passes);
        self.memory <= 1 << 20 && work <= 4 << 20 && self.lanes <= 16
    }
}

/// Private keys that only their passphrase opens.
pub struct SealedKeys {
    identity: Identity,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 12],
    /// The keys as [`own::keys_to_bytes`] writes them, and a tag of 16.
    sealed: [u8; 144],
}

impl SealedKeys {
    pub(crate) fn seal(keys: &Keypair, passphrase: &Passphrase, cost: Cost) -> Self {
        let (mut salt, mut nonce) = ([0; 16], [0; 12]);
        for random in [&mut salt[..], &mut nonce[..]] {
            getrandom::fill(random).expect("Linux answers getrandom(2) once it has booted");
        }
        let mut opened = Self {
            identity: keys.identity(),
            cost,
            salt,
            nonce,
            sealed: [0; 144],
        };
        let cipher = opened.cipher(passphrase);
        let header = opened.header();
        let secrets = own::keys_to_bytes(keys);
        let payload = Payload {
            msg: secrets.as_ref(),
            aad: &header,
        };
        let sealed = cipher.encrypt(Nonce::from_slice(&nonce), payload);
        let sealed = sealed.expect("ChaCha20-Poly1305 seals 128 bytes");
        opened.sealed.copy_from_slice(&sealed);
        opened
    }

    /// The public half, which needs no passphrase.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Opens them: about 0.2 s and 64 MiB, never more than 1 GiB.
    ///
    /// # Errors
    /// [`WrongPassphrase`].
    pub fn open(&self, passphrase: &Passphrase) -> Result<Keypair, WrongPassphrase> {
        let cipher = self.cipher(passphrase);
        let header = self.header();
        let payload = Payload {
            msg: &self.sealed,
            aad: &header,
        };
        let opened = cipher.decrypt(Nonce::from_slice(&self.nonce), payload);
        let secrets = Zeroizing::new(opened.map_err(|_| WrongPassphrase)?);
        // The tag vouches for them and for the identity they were sealed with.
        own::keys_from_bytes(&secrets).map_err(|_| WrongPassphrase)
    }

    fn cipher(&self, passphrase: &Passphrase) -> ChaCha20Poly1305 {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        let params = Params::new(memory, passes, lanes, Some(32));
        let params = params.expect("the costs were looked at when they were read");
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose().as_bytes(), &self.salt, key.as_mut())
            .expect("argon2 takes a passphrase of this length and a salt of 16 bytes");
        ChaCha20Poly1305::new(key.as_ref().into())
    }

    /// Everything that is not secret, bound to what is.
    fn header(&self) -> Vec<u8> {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        let costs = [memory, passes, lanes].map(u32::to_le_bytes);
        [
            &self.identity.to_bytes(),
            costs.as_flattened(),
            &self.salt,
            &self.nonce,
        ]
        .concat()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.header().as_slice(), &self.sealed].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unfit> {
        let mut reader = Reader::new(bytes, "sealed keys");
        let identity = reader.identity()?;
        let (memory, passes, lanes) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let cost = Cost {
            memory,
            passes,
            lanes,
        };
        let (salt, nonce, sealed) = (reader.array()?, reader.array()?, reader.array()?);
        reader.end()?;
        if !cost.is_bearable() {
            return Err(Unfit::damaged(
                "its passphrase asks for more work than hpt would do",
            ));
        }
        if Params::new(memory, passes, lanes, Some(32)).is_err() {
            return Err(Unfit::damaged(
                "its passphrase asks for work that argon2 cannot do",
            ));
        }
        Ok(Self {
            identity,
            cost,
            salt,
            nonce,
            sealed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As little work as argon2 can do, so that hundreds of vectors take a second.
    const CHEAP: Cost = Cost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };

    fn words(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn sealed(cost: Cost) -> (Keypair, SealedKeys) {
        let keys = Keypair::generate();
        let sealed = SealedKeys::seal(&keys, &words("correct horse"), cost);
        (keys, sealed)
    }

    #[test]
    fn the_passphrase_opens_what_it_sealed() {
        let (keys, sealed) = sealed(Cost::USUAL);
        let read = SealedKeys::from_bytes(&sealed.to_bytes()).unwrap();
        let opened = read.open(&words("correct horse")).ok().unwrap();
        assert_eq!(opened.channel.expose(), keys.channel.expose());
        assert_eq!(opened.signing.expose(), keys.signing.expose());
        let text = sealed.to_bytes();
        let holds = |secret: &[u8]| text.windows(32).any(|window| window == secret);
        assert!(!holds(keys.channel.expose()) && !holds(keys.signing.expose()));
    }

    /// K3: 20 passphrases that are nearly right.
    #[test]
    fn another_passphrase_is_wrong() {
        let (_, sealed) = sealed(CHEAP);
        for other in [
            "correct hors",
            "correct horse ",
            " correct horse",
            "Correct horse",
            "correct  horse",
            "correct horse\n",
            "correct horse\0",
            "correct\u{a0}horse",
            "correct\thorse",
            "correct h\u{43e}rse",
            "correct horse\r\n",
            "\u{feff}correct horse",
            "correcthorse",
            "CORRECT HORSE",
            "correct horse battery",
            "horse correct",
            "correct",
            "c",
            " ",
            "\0",
        ] {
            assert!(sealed.open(&words(other)).is_err(), "{other:?}");
        }
    }

    /// K3: 248 vectors, one altered byte each, in every field.
    #[test]
    fn every_altered_byte_is_noticed() {
        let (_, sealed) = sealed(CHEAP);
        let good = sealed.to_bytes();
        assert_eq!(good.len(), 248);
        for at in 0..good.len() {
            let mut altered = good.clone();
            altered[at] ^= 0x01;
            let opened =
                SealedKeys::from_bytes(&altered).map(|sealed| sealed.open(&words("correct horse")));
            assert!(!matches!(opened, Ok(Ok(_))), "byte {at}");
        }
    }

    /// K3: damage is not called a wrong passphrase.
    #[test]
    fn every_other_length_is_damage() {
        let (_, sealed) = sealed(CHEAP);
        let good = sealed.to_bytes();
        for length in 0..good.len() {
            assert!(
                SealedKeys::from_bytes(&good[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(SealedKeys::from_bytes(&[&good[..], &[0]].concat()).is_err());
    }

    /// K3: what a file asks for is looked at before it is done.
    #[test]
    fn unbearable_costs_are_damage() {
        let (_, mut sealed) = sealed(CHEAP);
        for (memory, passes, lanes) in [
            ((1 << 20) + 1, 1, 1),
            (u32::MAX, 1, 1),
            (1 << 20, 5, 1),
            (64 << 10, 65, 1),
            (8, u32::MAX, 1),
            (8, 1 << 20, 1),
            (u32::MAX, u32::MAX, 1),
            (1 << 20, u32::MAX, 1),
            (1 << 10, 1, 17),
            (1 << 10, 1, u32::MAX),
            (0, 1, 1),
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (8, 1, 2),
            (64, 1, 16),
        ] {
            sealed.cost = Cost {
                memory,
                passes,
                lanes,
            };
            let read = SealedKeys::from_bytes(&sealed.to_bytes());
            assert!(matches!(read, Err(Unfit::Damaged(_))), "{:?}", sealed.cost);
        }
        sealed.cost = Cost {
            memory: 1 << 20,
            passes: 4,
            lanes: 1,
        };
        assert!(SealedKeys::from_bytes(&sealed.to_bytes()).is_ok());
    }
    /// K3: the most that a file can ask for.
    #[test]
    fn the_largest_cost_is_bearable() {
        let before = own_time();
        sealed(Cost {
            memory: 1 << 20,
            passes: 4,
            lanes: 1,
        });
        let took = own_time().checked_sub(before).unwrap();
        assert!(took.as_secs() < 10, "{took:?}");
    }

    /// What this thread has had of a processor, which does not depend on who else wants one.
    fn own_time() -> std::time::Duration {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        let nanoseconds = times.split_ascii_whitespace().next().unwrap();
        std::time::Duration::from_nanos(nanoseconds.parse().unwrap())
    }
}
