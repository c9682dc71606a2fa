//! An invitation: what a host is told to make keys of its own and meet one client, once, within an hour (K9).
//!
//! The text goes by way of people. It names the client, and holds a secret from which both sides derive the keys of
//! their first session, and of no other: whoever reads it before it was used can be the host of that session, but
//! not the client.

use std::fmt;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::key::{Psk, PublicKey, SecretKey};
use crate::secret::Secret;

/// The longest time between making and use, in seconds.
pub const LONGEST: u64 = 3600;
/// The text begins so.
const PREFIX: &str = "hptinvite";
/// How many bytes of the secret stand in the text: nobody guesses them in the time that there is.
const SECRET: usize = 16;

/// What a host is told. It cannot be printed by mistake: [`Invitation::to_text`] is what is handed over.
pub struct Invitation {
    client: PublicKey,
    secret: Zeroizing<[u8; SECRET]>,
    until: u64,
}

/// Why a text is no invitation. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no invitation: `hpt invite` prints one, which begins with {PREFIX}1")]
pub struct BadInvitation;

/// The keys of the first session.
pub struct FirstKeys {
    /// The host's.
    pub host: SecretKey,
    /// What both know.
    pub psk: Psk,
}

impl Invitation {
    /// One from this client, until a time in unix seconds.
    #[must_use]
    pub fn new(client: &Identity, until: u64) -> Self {
        let secret = Secret::generate();
        let mut half = Zeroizing::new([0; SECRET]);
        half.copy_from_slice(&secret.expose()[..SECRET]);
        Self {
            client: client.channel,
            secret: half,
            until,
        }
    }

    /// The client's key for the channel.
    #[must_use]
    pub fn client(&self) -> PublicKey {
        self.client
    }

    /// When it ends, in unix seconds.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }

    /// What is handed over: letters and digits, checksummed.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let parts = [
            &self.client.as_bytes()[..],
            &self.secret[..],
            &self.until.to_le_bytes(),
        ];
        let bytes = Zeroizing::new(parts.concat());
        let text = bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &bytes);
        Zeroizing::new(text.expect("56 bytes are within the length of a bech32m code"))
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// [`BadInvitation`].
    pub fn parse(text: &str) -> Result<Self, BadInvitation> {
        let parsed = CheckedHrpstring::new::<Bech32m>(text.trim()).map_err(|_| BadInvitation)?;
        if parsed.hrp() != Hrp::parse_unchecked(PREFIX) {
            return Err(BadInvitation);
        }
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(parsed.byte_iter().collect());
        let (client, rest) = bytes.split_first_chunk().ok_or(BadInvitation)?;
        let (secret, until) = rest.split_first_chunk().ok_or(BadInvitation)?;
        Ok(Self {
            client: PublicKey::from_bytes(*client).map_err(|_| BadInvitation)?,
            secret: Zeroizing::new(*secret),
            until: u64::from_le_bytes(until.try_into().map_err(|_| BadInvitation)?),
        })
    }

    /// The keys of the first session, which both sides derive alike.
    #[must_use]
    pub fn first_keys(&self) -> FirstKeys {
        FirstKeys {
            host: SecretKey::from_bytes(self.derive(b"hpt1 invitation host")),
            psk: Psk::from_bytes(self.derive(b"hpt1 invitation psk ")),
        }
    }

    /// All that goes in is of fixed length: 20, 32, 8 and 16 bytes.
    fn derive(&self, purpose: &[u8; 20]) -> Zeroizing<[u8; 32]> {
        let mut hash = Sha256::new_with_prefix(purpose);
        hash.update(self.client.as_bytes());
        hash.update(self.until.to_le_bytes());
        hash.update(&self.secret[..]);
        Zeroizing::new(hash.finalize().into())
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Keypair;

    #[test]
    fn both_sides_derive_the_same_keys_and_nobody_else() {
        let client = Keypair::generate().identity();
        let made = Invitation::new(&client, 1_750_000_000);
        let text = made.to_text();
        assert!(
            text.starts_with("hptinvite1") && text.len() < 120,
            "{}",
            text.len()
        );
        let read = Invitation::parse(&format!(" {}\n", *text)).unwrap();
        assert_eq!(
            (read.client(), read.until()),
            (client.channel, 1_750_000_000)
        );
        let keys = |invitation: &Invitation| {
            let FirstKeys { host, psk } = invitation.first_keys();
            (host.public(), *psk.expose())
        };
        assert_eq!(keys(&made), keys(&read));
        let other = Invitation::new(&client, 1_750_000_000);
        let later = Invitation {
            until: 1_750_000_001,
            ..Invitation::parse(&text).unwrap()
        };
        assert!(keys(&other) != keys(&made) && keys(&later) != keys(&made));
        assert_eq!(format!("{made:?}"), "Invitation");
    }

    #[test]
    fn what_is_no_invitation_is_told_without_repeating_it() {
        let client = Keypair::generate().identity();
        let text = Invitation::new(&client, 7).to_text();
        let cut = &text[..text.len() - 1];
        let swapped = text.replacen('q', "p", 1);
        for bad in [
            "",
            "hptinvite1",
            cut,
            &swapped,
            &client.to_text(crate::Role::Client),
        ] {
            if bad == *text {
                continue; // it had no q to swap
            }
            let error = Invitation::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("1q"), "{error}");
        }
    }
}
