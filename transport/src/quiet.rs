//! Keeps a flood out of the log: one line a second for each source, with a count of the rest.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How often one source is worth a line (L4).
const EVERY: Duration = Duration::from_secs(1);

/// The most sources it speaks of in that time; those beyond stay silent.
const MOST: usize = 64;

/// Who was mentioned when.
pub(crate) struct Quiet<K>(HashMap<K, Said>);

struct Said {
    at: Instant,
    unsaid: u64,
}

impl<K: Copy + Eq + Hash> Quiet<K> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether to write a line about `key`; if so, how many were left out since the last.
    pub(crate) fn may_say(&mut self, key: K, now: Instant) -> Option<u64> {
        if let Some(said) = self.0.get_mut(&key) {
            if now - said.at < EVERY {
                said.unsaid += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.unsaid));
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, said| now - said.at < EVERY);
        }
        if self.0.len() >= MOST {
            return None;
        }
        self.0.insert(key, Said { at: now, unsaid: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_line_a_second_for_each() {
        let now = Instant::now();
        let mut quiet = Quiet::new();
        assert_eq!(quiet.may_say(1, now), Some(0));
        assert_eq!(quiet.may_say(1, now), None);
        assert_eq!(quiet.may_say(1, now + EVERY / 2), None);
        assert_eq!(quiet.may_say(2, now), Some(0));
        assert_eq!(quiet.may_say(1, now + EVERY), Some(2));
    }

    #[tokio::test]
    async fn the_table_is_bounded() {
        let now = Instant::now();
        let mut quiet = Quiet::new();
        let said = (0..10_000).filter(|n| quiet.may_say(*n, now).is_some());
        assert_eq!(said.count(), MOST);
        assert_eq!(quiet.may_say(10_001, now + EVERY), Some(0));
    }
}
