//! This end's key pairs, each in the one place where its private half lies.

use std::sync::Arc;

use hpt_keystore::{Letter, NotOpened, PublicKey, SecretKey};
use tokio::sync::watch;
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

/// The key pairs that a listener answers with: a peer chooses by the public key that it knows. There is
/// more than one while peers follow from one to the next. Clones see the same list.
#[derive(Clone)]
pub struct LocalKeys(watch::Sender<Arc<[LocalKey]>>);

impl LocalKeys {
    /// These and no others.
    #[must_use]
    pub fn new(keys: Vec<LocalKey>) -> Self {
        Self(watch::Sender::new(keys.into()))
    }

    /// Puts others in their place. Sessions of keys that are no longer among them are closed.
    pub fn replace(&self, keys: Vec<LocalKey>) {
        self.0.send_replace(keys.into());
    }

    /// What is in a letter to one of these keys, under the name that it was sealed for.
    ///
    /// # Errors
    /// [`NotOpened`], if none of them opens it.
    pub fn open(&self, letter: &Letter, name: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let keys = self.now();
        let opened = keys.iter().find_map(|key| key.open(letter, name).ok());
        opened.ok_or(NotOpened)
    }

    pub(crate) fn has(&self, public: &PublicKey) -> bool {
        self.now().iter().any(|key| key.public() == *public)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<[LocalKey]>> {
        self.0.subscribe()
    }

    pub(crate) fn now(&self) -> Arc<[LocalKey]> {
        Arc::clone(&self.0.borrow())
    }
}

impl From<LocalKey> for LocalKeys {
    fn from(key: LocalKey) -> Self {
        Self::new(vec![key])
    }
}
