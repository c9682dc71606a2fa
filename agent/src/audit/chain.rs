//! The chain of an audit: what makes a line follow from the one before, and where a file breaks.
//!
//! A record is a line of JSON that ends with `,"hash":"HEX"}`. Its words are the line without those last
//! ones, closed by `}`: the bytes as they are, so that there is no second spelling of a record. The hash is
//! BLAKE3 over the hash of the record before (32 zeros before the first) and the hash of its words. So the
//! hashes of words alone show that one head follows from another, to those who may not read the words.

use std::io::{self, BufRead, Read};

use blake3::Hash;
use hpt_keystore::{BadSignature, SigningKey, VerifyingKey};
use serde::Serialize;

use super::record::{Entry, Record};

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 32 << 10;
/// What the signature of a head begins with, so that it is one of nothing else.
const DOMAIN: &[u8] = b"hpt audit head v1";

/// The last record of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number, from 1; 0 before the first.
    pub seq: u64,
    /// Its hash, which covers all records before.
    pub hash: Hash,
}

/// The first record that is not what the chain says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} {why}")]
pub struct Broken {
    /// The number that it has, or would have.
    pub seq: u64,
    /// What is wrong with it: "was changed".
    pub why: &'static str,
}

/// Why an audit is not shown to be whole.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// It is not.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

#[derive(Serialize)]
struct Body<'a> {
    seq: u64,
    #[serde(flatten)]
    entry: &'a Entry,
    prev: &'a str,
}

impl Default for Head {
    fn default() -> Self {
        let hash = Hash::from_bytes([0; 32]);
        Self { seq: 0, hash }
    }
}

impl Head {
    /// The next line, with its line feed.
    pub(super) fn write(&mut self, entry: &Entry) -> String {
        let seq = self.seq.saturating_add(1);
        let prev = self.hash.to_hex();
        let body = Body {
            seq,
            entry,
            prev: &prev,
        };
        let mut line = serde_json::to_string(&body).expect("plain values become JSON");
        let hash = link(self.hash, words(&line));
        line.pop();
        line += &format!(",\"hash\":\"{}\"}}\n", hash.to_hex());
        *self = Self { seq, hash };
        line
    }

    /// The next record, from its line without the line feed.
    ///
    /// # Errors
    /// [`Broken`] if it is not one that follows; this stays as it was then.
    pub fn read(&mut self, line: &str) -> Result<Record, Broken> {
        let seq = self.seq.saturating_add(1);
        let broken = |why| Broken { seq, why };
        let (record, body, hash) = parse(line).ok_or_else(|| broken("is not a record"))?;
        if record.seq != seq {
            return Err(broken("is missing: another number stands in its place"));
        }
        if record.prev != self.hash.to_hex().as_str() {
            return Err(broken("does not follow from the one before"));
        }
        if link(self.hash, words(&body)) != hash {
            return Err(broken("was changed"));
        }
        *self = Self { seq, hash };
        Ok(record)
    }

    /// Goes on by a record with words of this hash.
    pub fn follow(&mut self, words: Hash) {
        self.seq = self.seq.saturating_add(1);
        self.hash = link(self.hash, words);
    }

    /// Signs this as what the audit has come to.
    pub fn sign(&self, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.message())
    }

    /// Whether the owner of this key has signed it.
    ///
    /// # Errors
    /// If not.
    pub fn verify(&self, key: &VerifyingKey, signature: &[u8; 64]) -> Result<(), BadSignature> {
        key.verify(&self.message(), signature)
    }

    fn message(&self) -> Vec<u8> {
        [DOMAIN, &self.seq.to_be_bytes(), self.hash.as_bytes()].concat()
    }
}

/// The head that a line says it is, if its own words fit its hash.
pub(super) fn head_of(line: &str) -> Option<Head> {
    let (record, body, hash) = parse(line)?;
    let prev = Hash::from_hex(&record.prev).ok()?;
    let seq = record.seq;
    (link(prev, words(&body)) == hash).then_some(Head { seq, hash })
}

/// The hash of a line's words, if it is a record.
pub(super) fn words_of(line: &str) -> Option<Hash> {
    let (_, body, _) = parse(line)?;
    Some(words(&body))
}

/// The number of a line.
pub(super) fn seq_of(line: &str) -> Option<u64> {
    line.strip_prefix("{\"seq\":")?
        .split_once(',')?
        .0
        .parse()
        .ok()
}

/// Reads a whole audit; `each` is given its records. `known` is a head that was seen earlier.
///
/// # Errors
/// [`Unproven`], with the first bad record.
pub fn verify(
    mut from: impl BufRead,
    known: Option<Head>,
    mut each: impl FnMut(Record),
) -> Result<Head, Unproven> {
    let mut head = Head::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(LONGEST).expect("32 KiB");
        if (&mut from).take(limit).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let cut = |why| Broken {
            seq: head.seq.saturating_add(1),
            why,
        };
        let text = line
            .strip_suffix(b"\n")
            .ok_or_else(|| cut("is not whole"))?;
        let text = std::str::from_utf8(text).map_err(|_| cut("is not a record"))?;
        each(head.read(text)?);
        if let Some(known) = known.filter(|known| known.seq == head.seq) {
            head.is(&known)?;
        }
    }
    match known {
        Some(known) if known.seq > head.seq => Err(Unproven::Broken(Broken {
            seq: head.seq.saturating_add(1),
            why: "is missing: it was there earlier",
        })),
        _ => Ok(head),
    }
}

impl Head {
    /// Whether this is the head that was seen under the same number.
    ///
    /// # Errors
    /// If not.
    pub fn is(&self, known: &Self) -> Result<(), Broken> {
        if self == known {
            return Ok(());
        }
        Err(Broken {
            seq: known.seq,
            why: "is another than the one that was there earlier",
        })
    }
}

fn words(body: &str) -> Hash {
    blake3::hash(body.as_bytes())
}

fn link(prev: Hash, words: Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prev.as_bytes()).update(words.as_bytes());
    hasher.finalize()
}

/// A line's record, what of it is hashed, and what its hash should be.
fn parse(line: &str) -> Option<(Record, String, Hash)> {
    let record: Record = serde_json::from_str(line).ok()?;
    let hash = Hash::from_hex(&record.hash).ok()?;
    let end = format!(",\"hash\":\"{}\"}}", hash.to_hex());
    let body = line.strip_suffix(end.as_str())?.to_owned() + "}";
    Some((record, body, hash))
}
