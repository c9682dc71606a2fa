//! This end's key pair, in the one place where its private half lies.

use std::sync::Arc;

use hpt_keystore::{Letter, NotOpened, PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::wire::Mac1Key;

/// This end's key pair. Clones share the one place where the private key lies (H14).
#[derive(Clone)]
pub struct LocalKey(Arc<Pair>);

struct Pair {
    secret: SecretKey,
    public: PublicKey,
    mac1: Mac1Key,
}

impl LocalKey {
    /// Takes the private key; it is wiped when the last clone is dropped.
    #[must_use]
    pub fn new(secret: SecretKey) -> Self {
        let public = secret.public();
        let mac1 = Mac1Key::of(&public);
        Self(Arc::new(Pair {
            secret,
            public,
            mac1,
        }))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.public
    }

    /// What is in a letter to this key, under the name that it was sealed for.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, letter: &Letter, name: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        letter.open(&self.0.secret, name)
    }

    /// For the Diffie-Hellman function, and nothing else.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.secret.expose()
    }

    pub(crate) fn mac1(&self) -> &Mac1Key {
        &self.0.mac1
    }
}
