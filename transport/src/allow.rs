//! Who is allowed in: the pins, and their replacement while sessions are live.

use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::watch;

use hpt_keystore::{Psk, PublicKey};

/// A key that may open sessions, and the pre-shared key of that pair.
pub struct Pin {
    /// The peer's key of the channel.
    pub key: PublicKey,
    /// What the two ends share besides.
    pub psk: Psk,
}

/// The pins of one moment. This is the one place that decides whether a key is let in.
pub(crate) struct Pins(Vec<Pin>);

impl Pins {
    pub(crate) fn new(pins: Vec<Pin>) -> Self {
        Self(pins)
    }

    /// The pin of these exact bytes. Looks at every pin for the same time, whichever matches (H9).
    pub(crate) fn find(&self, key: &[u8; 32]) -> Option<&Pin> {
        let mut found = Choice::from(0);
        let mut place = 0_u64;
        for (index, pin) in (0_u64..).zip(&self.0) {
            let same = pin.key.as_bytes().ct_eq(key);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let place = usize::try_from(place).expect("an index of a Vec");
        bool::from(found).then(|| &self.0[place])
    }
}

/// The pins as they are now. Clones see the same list.
#[derive(Clone)]
pub struct AllowList(watch::Sender<Arc<Pins>>);

impl AllowList {
    /// A list of these pins and nobody else.
    #[must_use]
    pub fn new(pins: Vec<Pin>) -> Self {
        Self(watch::Sender::new(Arc::new(Pins::new(pins))))
    }

    /// Puts another list in place. Sessions of keys that are no longer in it are closed (R2).
    pub fn replace(&self, pins: Vec<Pin>) {
        self.0.send_replace(Arc::new(Pins::new(pins)));
    }

    pub(crate) fn now(&self) -> Arc<Pins> {
        Arc::clone(&self.0.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Pins>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use hpt_keystore::SecretKey;

    use super::*;

    fn pin(key: PublicKey) -> Pin {
        Pin {
            key,
            psk: Psk::generate(),
        }
    }

    #[test]
    fn finds_each_pin_and_no_other() {
        let keys: Vec<_> = (0..9).map(|_| SecretKey::generate().public()).collect();
        let list = AllowList::new(keys.iter().copied().map(pin).collect());
        for key in &keys {
            let found = list.now().find(key.as_bytes()).map(|pin| pin.key);
            assert_eq!(found, Some(*key));
        }
        let stranger = SecretKey::generate().public();
        assert!(list.now().find(stranger.as_bytes()).is_none());
        assert!(list.now().find(&[0; 32]).is_none());
    }

    #[test]
    fn an_empty_list_lets_nobody_in() {
        assert!(AllowList::new(vec![]).now().find(&[0; 32]).is_none());
    }

    #[test]
    fn replacing_forgets_the_old_pins() {
        let (old, new) = (
            SecretKey::generate().public(),
            SecretKey::generate().public(),
        );
        let list = AllowList::new(vec![pin(old)]);
        let twin = list.clone();
        list.replace(vec![pin(new)]);
        assert!(twin.now().find(old.as_bytes()).is_none());
        assert!(twin.now().find(new.as_bytes()).is_some());
    }
}
