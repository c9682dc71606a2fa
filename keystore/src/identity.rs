//! A party: its two key pairs, and the text by which people hand its public half around.

use std::fmt;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::key::{BadKey, PublicKey, SecretKey};
use crate::signing::{SigningKey, VerifyingKey};

/// Which of the two sides a keystore or an identity stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one who provisions: a workstation.
    Client,
    /// The one who is provisioned: a host.
    Target,
}

impl Role {
    fn prefix(self) -> Hrp {
        let text = match self {
            Self::Client => "hptclient",
            Self::Target => "hpttarget",
        };
        Hrp::parse_unchecked(text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Target => "target",
        })
    }
}

/// A party's private keys.
pub struct Keypair {
    /// For the channel.
    pub channel: SecretKey,
    /// For signatures.
    pub signing: SigningKey,
}

impl Keypair {
    /// Fresh keys from the kernel's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            channel: SecretKey::generate(),
            signing: SigningKey::generate(),
        }
    }

    /// The public half.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            channel: self.channel.public(),
            signing: self.signing.verifying(),
        }
    }
}

/// A party's public keys: what others pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// For the channel.
    pub channel: PublicKey,
    /// For signatures.
    pub signing: VerifyingKey,
}

impl Identity {
    /// Takes the channel key's 32 bytes and the signing key's 32 after them.
    ///
    /// # Errors
    /// [`BadKey`] when either half is one that may not be trusted.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, BadKey> {
        let (mut channel, mut signing) = ([0; 32], [0; 32]);
        channel.copy_from_slice(&bytes[..32]);
        signing.copy_from_slice(&bytes[32..]);
        Ok(Self {
            channel: PublicKey::from_bytes(channel)?,
            signing: VerifyingKey::from_bytes(signing)?,
        })
    }

    /// The channel key's 32 bytes and the signing key's 32 after them.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.channel.as_bytes());
        bytes[32..].copy_from_slice(self.signing.as_bytes());
        bytes
    }

    /// The checksummed text form (bech32m), beginning `hptclient1` or `hpttarget1`.
    #[must_use]
    pub fn to_text(&self, role: Role) -> String {
        bech32::encode::<Bech32m>(role.prefix(), &self.to_bytes())
            .expect("64 bytes are within the length of a bech32m code")
    }

    /// Reads the text form of an identity of this role.
    ///
    /// # Errors
    /// [`BadIdentity`], which never repeats the text: it may be something secret, pasted in error.
    pub fn parse(role: Role, text: &str) -> Result<Self, BadIdentity> {
        let parsed =
            CheckedHrpstring::new::<Bech32m>(text).map_err(|_| BadIdentity::Malformed(role))?;
        if parsed.hrp() != role.prefix() {
            return Err(BadIdentity::WrongRole(role));
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let bytes = bytes.try_into().map_err(|_| BadIdentity::Malformed(role))?;
        Ok(Self::from_bytes(&bytes)?)
    }

    /// Eight groups of four hex digits that people compare by eye or aloud: the first 128 bits of
    /// the SHA-256 of both keys.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.to_bytes());
        let groups = digest[..16]
            .chunks(2)
            .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]));
        groups.collect::<Vec<_>>().join("-")
    }
}

/// Why a text is not the identity that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadIdentity {
    /// A letter is wrong or missing, or it is another kind of text.
    #[error("not a {0} key: it begins `hpt{0}1` and its checksum must fit; was it copied whole?")]
    Malformed(Role),
    /// A good text, for the other side or another program.
    #[error("not a {0} key: the prefix is another's, a {0} key begins `hpt{0}1`")]
    WrongRole(Role),
    /// The text is whole but what it names may not be trusted.
    #[error(transparent)]
    Key(#[from] BadKey),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_returns_itself() {
        for role in [Role::Client, Role::Target] {
            let identity = Keypair::generate().identity();
            let text = identity.to_text(role);
            assert!(text.starts_with(&format!("hpt{role}1")), "{text}");
            assert_eq!(Identity::parse(role, &text), Ok(identity));
            assert_eq!(Identity::parse(role, &text.to_uppercase()), Ok(identity));
        }
    }

    #[test]
    fn every_changed_letter_is_noticed() {
        let text = Keypair::generate().identity().to_text(Role::Client);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'q' { b'p' } else { b'q' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                Identity::parse(Role::Client, &changed).is_err(),
                "letter {at}"
            );
        }
    }

    #[test]
    fn the_other_role_is_refused() {
        let text = Keypair::generate().identity().to_text(Role::Target);
        let refused = Identity::parse(Role::Client, &text);
        assert_eq!(refused, Err(BadIdentity::WrongRole(Role::Client)));
    }

    /// H8 at import, and the error does not repeat what was pasted.
    #[test]
    fn a_well_formed_text_of_a_bad_key_is_refused() {
        let signing = SigningKey::generate().verifying();
        let mut bytes = [0; 64];
        bytes[32..].copy_from_slice(signing.as_bytes());
        let text = bech32::encode::<Bech32m>(Role::Client.prefix(), &bytes).unwrap();
        let refused = Identity::parse(Role::Client, &text).unwrap_err();
        assert_eq!(refused, BadIdentity::Key(BadKey::LowOrder));
        assert!(!refused.to_string().contains("1qqqq"));
    }

    #[test]
    fn lengths_other_than_64_bytes_are_refused() {
        for length in [0, 32, 63, 65, 128] {
            let text = bech32::encode::<Bech32m>(Role::Client.prefix(), &vec![9; length]).unwrap();
            let refused = Identity::parse(Role::Client, &text);
            assert_eq!(
                refused,
                Err(BadIdentity::Malformed(Role::Client)),
                "{length}"
            );
        }
    }

    #[test]
    fn fingerprint_is_short_and_steady() {
        let identity = Keypair::generate().identity();
        assert_eq!(identity.fingerprint().len(), 8 * 4 + 7);
        assert_eq!(identity.fingerprint(), identity.fingerprint());
        assert_ne!(
            identity.fingerprint(),
            Keypair::generate().identity().fingerprint()
        );
    }
}
