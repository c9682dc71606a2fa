//! A keystore owner's own private keys: open, or under a passphrase.

use std::path::Path;

use zeroize::Zeroizing;

use crate::identity::{Identity, Keypair};
use crate::key::SecretKey;
use crate::passphrase::{Passphrase, PassphraseError, WrongPassphrase};
use crate::record::Reader;
use crate::sealed::{Cost, SealedKeys};
use crate::signing::SigningKey;
use crate::unfit::Unfit;

/// The owner's keys as they were found.
pub enum Own {
    /// Ready for use.
    Open(Keypair),
    /// [`SealedKeys::open`] makes them ready.
    Sealed(Box<SealedKeys>),
}

/// The first byte of the row tells which it is.
const OPEN: u8 = 0;
const SEALED: u8 = 1;

impl Own {
    pub(crate) fn new(keys: Keypair, passphrase: Option<&Passphrase>) -> Self {
        match passphrase {
            None => Self::Open(keys),
            Some(words) => Self::Sealed(Box::new(SealedKeys::seal(&keys, words, Cost::USUAL))),
        }
    }

    /// The public half, which needs no passphrase.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match self {
            Self::Open(keys) => keys.identity(),
            Self::Sealed(keys) => keys.identity(),
        }
    }

    /// The keys of the keystore at `path`, with their passphrase if they are under one.
    ///
    /// # Errors
    /// [`PassphraseError::Needed`] if it is missing, [`PassphraseError::Wrong`] if it is another.
    pub fn open(
        self,
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Keypair, PassphraseError> {
        let sealed = match self {
            Self::Open(keys) => return Ok(keys),
            Self::Sealed(sealed) => sealed,
        };
        let path = || path.to_owned();
        let passphrase = passphrase.ok_or_else(|| PassphraseError::Needed { path: path() })?;
        let opened = sealed.open(passphrase);
        opened.map_err(|WrongPassphrase| PassphraseError::Wrong { path: path() })
    }

    /// Other keys under the same passphrase.
    pub(crate) fn anew(
        self,
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, PassphraseError> {
        let seal = match &self {
            Self::Open(_) => None,
            Self::Sealed(_) => passphrase,
        };
        self.open(path, passphrase)?;
        Ok(Self::new(Keypair::generate(), seal))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Open(keys) => [&[OPEN][..], keys_to_bytes(keys).as_ref()].concat(),
            Self::Sealed(keys) => [&[SEALED][..], &keys.to_bytes()].concat(),
        })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unfit> {
        match bytes.split_first() {
            Some((&OPEN, keys)) => Ok(Self::Open(keys_from_bytes(keys)?)),
            Some((&SEALED, sealed)) => Ok(Self::Sealed(Box::new(SealedKeys::from_bytes(sealed)?))),
            _ => Err(Unfit::damaged("its own keys are of an unknown kind")),
        }
    }
}

/// Both secrets, each in two halves ([`Secret::split`](crate::secret::Secret::split)).
pub(crate) fn keys_to_bytes(keys: &Keypair) -> Zeroizing<[u8; 128]> {
    let mut bytes = Zeroizing::new([0; 128]);
    bytes[..64].copy_from_slice(keys.channel.0.split().as_flattened());
    bytes[64..].copy_from_slice(keys.signing.0.split().as_flattened());
    bytes
}

pub(crate) fn keys_from_bytes(bytes: &[u8]) -> Result<Keypair, Unfit> {
    let mut reader = Reader::new(bytes, "its own keys");
    let channel = SecretKey(reader.secret()?);
    let signing = SigningKey(reader.secret()?);
    reader.end()?;
    Ok(Keypair { channel, signing })
}
