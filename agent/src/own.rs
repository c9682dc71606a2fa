//! This target's own keys: those that it has, and those that it had while clients follow (R6).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use hpt_keystore::target::Renewal;
use hpt_keystore::{
    ClientName, Identity, Keypair, Own, Passphrase, PassphraseError, PublicKey, SigningKey,
};
use hpt_transport::{LocalKey, LocalKeys};

/// The keys that this target answers to, as its keystore says right now.
pub(crate) struct OwnKeys {
    /// What opens them.
    passphrase: Option<Passphrase>,
    local: LocalKeys,
    known: RwLock<Known>,
}

/// What became of them.
pub(crate) enum Change {
    None,
    /// There are new ones.
    Renewed(Identity),
    /// These clients know the new ones, or are let in no longer.
    Followed(Vec<ClientName>),
    /// The keystore has keys of another target, as which hpt would start the next time.
    Another,
}

const UNPOISONED: &str = "nobody panics while holding the keys";

struct Known {
    current: Pair,
    former: Option<Pair>,
    /// What those are told who may know none but the former ones.
    renewal: Option<Renewal>,
    late: BTreeSet<ClientName>,
}

struct Pair {
    identity: Identity,
    local: LocalKey,
    signing: Arc<SigningKey>,
}

impl Pair {
    fn of(keys: Keypair) -> Self {
        Self {
            identity: keys.identity(),
            local: LocalKey::new(keys.channel),
            signing: Arc::new(keys.signing),
        }
    }
}

impl Known {
    fn open(
        path: &Path,
        own: Own,
        former: Option<Own>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, PassphraseError> {
        let current = own.open(path, passphrase)?;
        let former = former.map(|own| own.open(path, passphrase)).transpose()?;
        let identity = current.identity();
        Ok(Self {
            current: Pair::of(current),
            renewal: former.as_ref().map(|keys| Renewal::new(keys, identity)),
            former: former.map(Pair::of),
            late: BTreeSet::new(),
        })
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        [&self.current].into_iter().chain(&self.former)
    }

    fn local(&self) -> Vec<LocalKey> {
        self.pairs().map(|pair| pair.local.clone()).collect()
    }
}

impl OwnKeys {
    /// Those of the keystore at `path`.
    ///
    /// # Errors
    /// If the passphrase does not open them.
    pub(crate) fn open(
        path: &Path,
        own: Own,
        former: Option<Own>,
        late: BTreeSet<ClientName>,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, PassphraseError> {
        let known = Known::open(path, own, former, passphrase.as_ref())?;
        Ok(Self {
            passphrase,
            local: LocalKeys::new(known.local()),
            known: RwLock::new(Known { late, ..known }),
        })
    }

    /// For the listener, and for letters.
    pub(crate) fn local(&self) -> LocalKeys {
        self.local.clone()
    }

    /// What opens them in the keystore.
    pub(crate) fn passphrase(&self) -> Option<&Passphrase> {
        self.passphrase.as_ref()
    }

    /// The key that signs for whoever knows this target by `own`, if it has that still.
    pub(crate) fn signing(&self, own: &PublicKey) -> Option<Arc<SigningKey>> {
        let known = self.read();
        let mut pairs = known.pairs();
        let pair = pairs.find(|pair| pair.identity.channel == *own);
        pair.map(|pair| Arc::clone(&pair.signing))
    }

    /// Whether these are the newest.
    pub(crate) fn are_current(&self, own: &PublicKey) -> bool {
        self.read().current.identity.channel == *own
    }

    /// Whether there are such.
    pub(crate) fn has_late(&self) -> bool {
        !self.read().late.is_empty()
    }

    /// Who may know none but the former ones.
    pub(crate) fn late(&self) -> BTreeSet<ClientName> {
        self.read().late.clone()
    }

    /// What a client is to hear that may know none but the former ones.
    pub(crate) fn renewal_for(&self, client: &ClientName) -> Option<Renewal> {
        let known = self.read();
        let is_late = known.late.contains(client);
        known.renewal.clone().filter(|_| is_late)
    }

    /// Takes over what the keystore says by now, if that follows from what it said before.
    pub(crate) fn follow(
        &self,
        path: &Path,
        own: Own,
        former: Option<Own>,
        late: BTreeSet<ClientName>,
    ) -> Result<Change, PassphraseError> {
        let (was, had) = {
            let known = self.read();
            let former = known.former.as_ref().map(|pair| pair.identity);
            (known.current.identity, former)
        };
        let (now, has) = (own.identity(), former.as_ref().map(Own::identity));
        if now != was && has != Some(was) {
            return Ok(Change::Another);
        }
        let changed = if (now, has) == (was, had) {
            None
        } else {
            Some(Known::open(path, own, former, self.passphrase.as_ref())?)
        };
        let mut known = self.known.write().expect(UNPOISONED);
        let before = std::mem::replace(&mut known.late, late);
        if let Some(changed) = changed {
            self.local.replace(changed.local());
            let late = std::mem::take(&mut known.late);
            *known = Known { late, ..changed };
        }
        if now != was {
            return Ok(Change::Renewed(now));
        }
        let followed: Vec<_> = before.difference(&known.late).cloned().collect();
        Ok(match followed[..] {
            [] => Change::None,
            _ => Change::Followed(followed),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().expect(UNPOISONED)
    }
}
