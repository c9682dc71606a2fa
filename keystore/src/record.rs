//! How a pin and other records are laid out in a row: fields of fixed size, then a text.

use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::key::Psk;
use crate::secret::Secret;
use crate::unfit::Unfit;

/// What a client's pin of a target and a target's pin of a client have in common: identity 64
/// bytes, pre-shared key 64 ([`Secret::split`]), time of addition 8 (unix seconds, little-endian), then a text.
pub(crate) struct Pin {
    pub(crate) identity: Identity,
    pub(crate) psk: Psk,
    pub(crate) added_at: u64,
    pub(crate) text: String,
}

impl Pin {
    pub(crate) fn encode(
        identity: &Identity,
        psk: &Psk,
        added_at: u64,
        text: &str,
    ) -> Zeroizing<Vec<u8>> {
        let psk = psk.0.split();
        let parts = [
            &identity.to_bytes()[..],
            psk.as_flattened(),
            &added_at.to_le_bytes(),
            text.as_bytes(),
        ];
        Zeroizing::new(parts.concat())
    }

    pub(crate) fn decode(record: &[u8]) -> Result<Self, Unfit> {
        let mut reader = Reader::new(record, "a pin");
        Ok(Self {
            identity: reader.identity()?,
            psk: Psk(reader.secret()?),
            added_at: u64::from_le_bytes(reader.array()?),
            text: reader.text()?,
        })
    }
}

/// Takes fields off the front of a record.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a [u8], what: &'static str) -> Self {
        Self { rest: record, what }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unfit> {
        let (field, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn secret(&mut self) -> Result<Secret, Unfit> {
        Ok(Secret::join(&[self.array()?, self.array()?]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Unfit> {
        self.array().map(u32::from_le_bytes)
    }

    /// Refuses keys that may not be trusted, wherever they came from (H8).
    pub(crate) fn identity(&mut self) -> Result<Identity, Unfit> {
        let bytes = self.array()?;
        let read = Identity::from_bytes(&bytes);
        read.map_err(|bad| Unfit::Damaged(format!("in {}, {bad}", self.what)))
    }

    /// All that is left.
    pub(crate) fn text(self) -> Result<String, Unfit> {
        let text = str::from_utf8(self.rest).ok().map(str::to_owned);
        text.ok_or_else(|| Unfit::Damaged(format!("{} holds a text that is none", self.what)))
    }

    /// Nothing is left.
    pub(crate) fn end(self) -> Result<(), Unfit> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.wrong_length())
        }
    }

    fn wrong_length(&self) -> Unfit {
        Unfit::Damaged(format!("{} has a wrong length", self.what))
    }
}
