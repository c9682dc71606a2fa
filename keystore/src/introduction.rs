//! What a client is told of targets that let it in: one line for each, sealed for that client alone and signed by
//! whoever authorized it. Such a file may lie anywhere.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::client::KnownTarget;
use crate::identity::{Identity, Keypair};
use crate::key::Psk;
use crate::letter::Letter;
use crate::name::TargetName;

/// The name under which such a letter opens.
const LETTER: &str = "introduction";
/// What is signed begins so.
const SIGNED: &[u8] = b"hpt1 introduction";
/// The fields of fixed size: signer 64, signature 64, target 64, psk 32.
const FIXED: usize = 64 + 64 + 64 + 32;

/// A target, and who says that it is one. Its line is specified in LETTER.md.
pub struct Introduction {
    /// The client that let the reader in.
    pub by: Identity,
    /// The target, and the secret that the reader shares with it.
    pub target: KnownTarget,
}

/// Why a line introduces nobody.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadIntroduction {
    /// It has another form.
    #[error("it is no line of `hpt authorize`")]
    NotOne,
    /// The reader's key does not open it.
    #[error("it was written for another client")]
    ForAnother,
    /// It opens, and has something else in it.
    #[error("it is not what `hpt authorize` writes")]
    Malformed,
    /// Its signature is of another key, or of other words.
    #[error("its author has not signed it")]
    NotSigned,
}

/// One line about a target, for the client with this identity.
#[must_use]
pub fn introduce(by: &Keypair, to: &Identity, target: &KnownTarget) -> String {
    let address = target.address.as_ref().map_or("", Address::as_str);
    let text = format!("{}\n{address}", target.name);
    let said = said(
        &by.identity(),
        to,
        &target.identity,
        target.psk.expose(),
        &text,
    );
    let value = [
        &by.identity().to_bytes()[..],
        &by.signing.sign(&said),
        &target.identity.to_bytes(),
        target.psk.expose(),
        text.as_bytes(),
    ];
    let value = Zeroizing::new(value.concat());
    let letter = Letter::seal(&to.channel, LETTER, &value);
    let letter = letter.expect("a name and an address are shorter than a letter");
    format!("{} {letter}", target.name)
}

impl Introduction {
    /// What such a line says, for the client that it was written for.
    ///
    /// # Errors
    /// If it was not, or is not what its author has written.
    pub fn parse(own: &Keypair, line: &str, now: u64) -> Result<Self, BadIntroduction> {
        let (_, letter) = line.split_once(' ').ok_or(BadIntroduction::NotOne)?;
        let letter = Letter::parse(letter).map_err(|_| BadIntroduction::NotOne)?;
        let value = letter.open(&own.channel, LETTER);
        let value = value.map_err(|_| BadIntroduction::ForAnother)?;
        let malformed = BadIntroduction::Malformed;
        let (fixed, text) = value.split_at_checked(FIXED).ok_or(malformed)?;
        let identity = |at: usize| {
            let bytes = fixed[at..at + 64].try_into().expect("64 bytes");
            Identity::from_bytes(bytes).map_err(|_| malformed)
        };
        let (by, target) = (identity(0)?, identity(128)?);
        let signature = fixed[64..128].try_into().expect("64 bytes");
        let psk: [u8; 32] = fixed[192..].try_into().expect("32 bytes");
        let psk = Zeroizing::new(psk);
        let text = std::str::from_utf8(text).map_err(|_| malformed)?;
        let said = said(&by, &own.identity(), &target, &psk, text);
        let signed = by.signing.verify(&said, signature);
        signed.map_err(|_| BadIntroduction::NotSigned)?;
        let (name, address) = text.split_once('\n').ok_or(malformed)?;
        let address = match address {
            "" => None,
            address => Some(Address::parse(address).map_err(|_| malformed)?),
        };
        let target = KnownTarget {
            name: TargetName::parse(name).map_err(|_| malformed)?,
            identity: target,
            psk: Psk::from_bytes(psk),
            address,
            added_at: now,
            behind: None,
        };
        Ok(Self { by, target })
    }
}

fn said(
    by: &Identity,
    to: &Identity,
    target: &Identity,
    psk: &[u8; 32],
    text: &str,
) -> Zeroizing<Vec<u8>> {
    let parts = [
        SIGNED,
        &by.to_bytes(),
        &to.to_bytes(),
        &target.to_bytes(),
        psk,
        text.as_bytes(),
    ];
    Zeroizing::new(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> KnownTarget {
        KnownTarget {
            name: TargetName::parse("web1").unwrap(),
            identity: Keypair::generate().identity(),
            psk: Psk::generate(),
            address: Some(Address::parse("10.0.0.5:7000").unwrap()),
            added_at: 1,
            behind: None,
        }
    }

    #[test]
    fn one_client_alone_reads_what_one_other_has_written() {
        let (by, to, other) = (
            Keypair::generate(),
            Keypair::generate(),
            Keypair::generate(),
        );
        let target = target();
        let line = introduce(&by, &to.identity(), &target);
        assert!(line.starts_with("web1 hpt1k:"), "{line}");
        let read_back = Introduction::parse(&to, &line, 7).unwrap();
        assert_eq!(read_back.by, by.identity());
        assert_eq!(read_back.target.identity, target.identity);
        assert_eq!(read_back.target.psk.expose(), target.psk.expose());
        assert_eq!(read_back.target.address, target.address);
        assert_eq!(
            (read_back.target.name, read_back.target.added_at),
            (target.name, 7)
        );
        for not in ["", "web1", "web1 hpt1k:", "web1 x"] {
            assert!(Introduction::parse(&to, not, 7).is_err(), "{not}");
        }
        let refused = Introduction::parse(&other, &line, 7).err();
        assert_eq!(refused, Some(BadIntroduction::ForAnother));
    }

    /// Whoever has a client's public key can seal for it; nobody can sign as somebody else.
    #[test]
    fn nobody_introduces_in_the_name_of_another() {
        let (by, to) = (Keypair::generate(), Keypair::generate());
        let line = introduce(&by, &to.identity(), &target());
        let (_, letter) = line.split_once(' ').unwrap();
        let letter = Letter::parse(letter).unwrap();
        let value = letter.open(&to.channel, LETTER).unwrap();
        for at in (0..FIXED + 4).step_by(16) {
            let mut changed = value.to_vec();
            changed[at] ^= 1;
            let forged = Letter::seal(&to.channel.public(), LETTER, &changed).unwrap();
            assert!(
                Introduction::parse(&to, &format!("web1 {forged}"), 7).is_err(),
                "byte {at}"
            );
        }
    }
}
