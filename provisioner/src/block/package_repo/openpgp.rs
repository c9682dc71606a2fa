//! What must be known of an `OpenPGP` key before it may vouch for packages: that it is public, whole,
//! and whose it is. Signatures are the package manager's to check.

use std::fmt;

use serde::Deserialize;
use sha1::Digest as _;

use crate::name::BadName;

/// As long as a file of keys may be.
const MOST: usize = 256 << 10;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The fingerprint of a primary key: 20 bytes of SHA-1, or 32 of SHA-256 in version 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    fn parse(text: &str) -> Result<Self, BadName> {
        let bad =
            BadName("a fingerprint is 40 or 64 hexadecimal digits; spaces between them do no harm");
        let text = text.strip_prefix("0x").unwrap_or(text);
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        if !matches!(digits.len(), 40 | 64) || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(bad);
        }
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
        let bytes: Result<_, _> = (0..digits.len()).step_by(2).map(byte).collect();
        bytes.map(Self).map_err(|_| bad)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}

/// One or more public keys, as a file has them.
#[derive(Debug, Clone)]
pub(super) struct PublicKeys {
    /// The file's own bytes.
    pub(super) bytes: Vec<u8>,
    /// Whether those are ASCII armour.
    pub(super) armoured: bool,
    /// Of each primary key in it.
    pub(super) fingerprints: Vec<Fingerprint>,
}

impl PublicKeys {
    /// Reads keys, with or without armour.
    ///
    /// # Errors
    /// Says what is wrong with them, without a word of them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BadName> {
        if bytes.len() > MOST {
            return Err(BadName("a file of keys is at most 256 KiB long"));
        }
        let text = std::str::from_utf8(bytes).ok();
        let armour = text.filter(|text| text.contains("-----BEGIN "));
        let binary = match armour {
            Some(text) => dearmour(text)?,
            None => bytes.to_vec(),
        };
        let fingerprints = fingerprints(&binary)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            armoured: armour.is_some(),
            fingerprints,
        })
    }

    fn parse_text(text: &str) -> Result<Self, BadName> {
        if !text.contains(BEGIN) && !text.contains("PRIVATE KEY") {
            return Err(BadName(
                "a key is the armoured text of an OpenPGP public key: -----BEGIN PGP PUBLIC KEY BLOCK----- and so on",
            ));
        }
        Self::parse(text.as_bytes())
    }
}

/// What stands in a config as a key. What is wrong with it is told by the block's own check: it is
/// no secret, for which the config would take a field of this name.
pub(super) struct Inline(pub(super) Result<PublicKeys, BadName>);

impl<'de> Deserialize<'de> for Inline {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            Ok::<_, BadName>(Self(PublicKeys::parse_text(text)))
        })
    }
}

/// The bytes in ASCII armour: headers, an empty line, base64, and a checksum that says nothing about
/// who wrote it.
fn dearmour(text: &str) -> Result<Vec<u8>, BadName> {
    if text.contains("PRIVATE KEY") {
        return Err(BadName(
            "this is a private key; a repository's packages are checked with the public one",
        ));
    }
    let bad = BadName("the armour of this key is damaged");
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (block, after) = block.split_once(END).ok_or(bad.clone())?;
        let is_data =
            |line: &&str| !line.is_empty() && !line.contains(':') && !line.starts_with('=');
        let data: String = block.lines().map(str::trim).filter(is_data).collect();
        bytes.extend(base64(&data).ok_or(bad.clone())?);
        rest = after;
    }
    Ok(bytes)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        let table = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let at = table.iter().position(|known| *known == c)?;
        u32::try_from(at).ok()
    };
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for c in group {
            bits = bits << 6 | digit(*c)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// The fingerprints of the primary keys among packets.
fn fingerprints(mut rest: &[u8]) -> Result<Vec<Fingerprint>, BadName> {
    let none = BadName("this is not an OpenPGP public key");
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest).ok_or(none.clone())?;
        match tag {
            5 | 7 => {
                return Err(BadName(
                    "this is a private key; a repository's packages are checked with the public one",
                ));
            }
            6 => found.push(fingerprint(body).ok_or(none.clone())?),
            // The first packet must be a key; what follows it are names, subkeys and signatures.
            _ if found.is_empty() => return Err(none),
            _ => {}
        }
        rest = after;
    }
    if found.is_empty() {
        Err(none)
    } else {
        Ok(found)
    }
}

/// Splits off the first packet: its tag, its body, and what follows (RFC 9580, 4.2).
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add((*b).into()))
    };
    let (tag, size, rest) = match (head >> 6, rest) {
        (0b11, [one @ 0..=191, rest @ ..]) => (head & 0x3f, usize::from(*one), rest),
        (0b11, [one @ 192..=223, two, rest @ ..]) => {
            let size = (usize::from(*one) - 192) * 256 + usize::from(*two) + 192;
            (head & 0x3f, size, rest)
        }
        (0b11, [255, a, b, c, d, rest @ ..]) => (head & 0x3f, number(&[*a, *b, *c, *d])?, rest),
        (0b10, rest) => {
            let length = match head & 0b11 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None, // of no stated length: no key is written so
            };
            let (size, rest) = rest.split_at_checked(length)?;
            ((head >> 2) & 0xf, number(size)?, rest)
        }
        _ => return None,
    };
    let (body, after) = rest.split_at_checked(size)?;
    Some((tag, body, after))
}

fn fingerprint(body: &[u8]) -> Option<Fingerprint> {
    match body.first()? {
        4 => {
            let size = u16::try_from(body.len()).ok()?;
            let mut hash = sha1::Sha1::new();
            hash.update([0x99]);
            hash.update(size.to_be_bytes());
            hash.update(body);
            Some(Fingerprint(hash.finalize().to_vec()))
        }
        6 => {
            let size = u32::try_from(body.len()).ok()?;
            let mut hash = sha2::Sha256::new();
            hash.update([0x9b]);
            hash.update(size.to_be_bytes());
            hash.update(body);
            Some(Fingerprint(hash.finalize().to_vec()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../../../testdata/keys/lab.asc");
    const PRINT: &str = "5DEFAC8526D742C59F72DACE51D841E5A93A646F";

    #[test]
    fn a_keys_fingerprint_is_what_gpg_says() {
        let keys = PublicKeys::parse_text(KEY).unwrap();
        assert_eq!(keys.fingerprints, [Fingerprint::parse(PRINT).unwrap()]);
        assert!(keys.armoured);
        let binary = dearmour(KEY).unwrap();
        let same = PublicKeys::parse(&binary).unwrap();
        assert_eq!(
            (same.fingerprints, same.armoured),
            (keys.fingerprints, false)
        );
        let both = format!("{KEY}\n{KEY}");
        assert_eq!(PublicKeys::parse_text(&both).unwrap().fingerprints.len(), 2);
    }

    /// Of each cut and each changed byte comes an answer, and never a panic.
    #[test]
    fn damaged_keys_are_refused_or_are_another() {
        let binary = dearmour(KEY).unwrap();
        let whole = PublicKeys::parse(&binary).unwrap().fingerprints;
        for end in 0..binary.len() {
            let cut = PublicKeys::parse(&binary[..end]);
            // A cut between packets leaves a key without its later packets.
            assert!(
                cut.is_err() || cut.unwrap().fingerprints == whole,
                "cut at {end}"
            );
        }
        for at in 0..binary.len() {
            let mut other = binary.clone();
            other[at] ^= 1;
            let _ = PublicKeys::parse(&other);
        }
        for text in [
            "",
            "x",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
            BEGIN,
            &format!("{BEGIN}\n\n!!\n{END}"),
        ] {
            assert!(PublicKeys::parse_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fingerprints_are_read_as_people_write_them() {
        let spaced = "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88";
        let print = Fingerprint::parse(spaced).unwrap();
        assert_eq!(
            print.to_string(),
            "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
        );
        for bad in [
            "",
            "0EBFCD88",
            "0x",
            &"g".repeat(40),
            &"a".repeat(41),
            "x\n",
        ] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }
}
