//! What a client is told of targets that let it in: one line for each, sealed for that client alone and signed by
//! whoever authorized it. Such a file may lie anywhere.

use hpt_keystore::client::KnownTarget;
use hpt_keystore::{Address, Identity, Keypair, Letter, Psk, TargetName};
use zeroize::Zeroizing;

/// The name under which such a letter opens.
const LETTER: &str = "introduction";
/// What is signed begins so.
const SIGNED: &[u8] = b"hpt1 introduction";
/// The fields of fixed size: signer 64, signature 64, target 64, psk 32.
const FIXED: usize = 64 + 64 + 64 + 32;

/// A target, and who says that it is one.
pub(crate) struct Introduced {
    pub(crate) by: Identity,
    pub(crate) target: KnownTarget,
}

/// One line about a target, for the client with this identity.
pub(crate) fn write(by: &Keypair, to: &Identity, target: &KnownTarget) -> String {
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

/// What such a line says, for the client that it was written for.
///
/// # Errors
/// In words, if it was not, or is not what its author has written.
pub(crate) fn read(own: &Keypair, line: &str, now: u64) -> Result<Introduced, &'static str> {
    let (_, letter) = line
        .split_once(' ')
        .ok_or("it is no line of `hpt authorize`")?;
    let letter = Letter::parse(letter).map_err(|_| "it is no line of `hpt authorize`")?;
    let value = letter.open(&own.channel, LETTER);
    let value = value.map_err(|_| "it was written for another client")?;
    let malformed = "it is not what `hpt authorize` writes";
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
    signed.map_err(|_| "its author has not signed it")?;
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
    Ok(Introduced { by, target })
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
        let line = write(&by, &to.identity(), &target);
        assert!(line.starts_with("web1 hpt1k:"), "{line}");
        let read_back = read(&to, &line, 7).unwrap();
        assert_eq!(read_back.by, by.identity());
        assert_eq!(read_back.target.identity, target.identity);
        assert_eq!(read_back.target.psk.expose(), target.psk.expose());
        assert_eq!(read_back.target.address, target.address);
        assert_eq!(
            (read_back.target.name, read_back.target.added_at),
            (target.name, 7)
        );
        for not in ["", "web1", "web1 hpt1k:", "web1 x"] {
            assert!(read(&to, not, 7).is_err(), "{not}");
        }
        let refused = read(&other, &line, 7).err();
        assert_eq!(refused, Some("it was written for another client"));
    }

    /// Whoever has a client's public key can seal for it; nobody can sign as somebody else.
    #[test]
    fn nobody_introduces_in_the_name_of_another() {
        let (by, to) = (Keypair::generate(), Keypair::generate());
        let line = write(&by, &to.identity(), &target());
        let (_, letter) = line.split_once(' ').unwrap();
        let letter = Letter::parse(letter).unwrap();
        let value = letter.open(&to.channel, LETTER).unwrap();
        for at in (0..FIXED + 4).step_by(16) {
            let mut changed = value.to_vec();
            changed[at] ^= 1;
            let forged = Letter::seal(&to.channel.public(), LETTER, &changed).unwrap();
            assert!(
                read(&to, &format!("web1 {forged}"), 7).is_err(),
                "byte {at}"
            );
        }
    }
}
