//! The hellos that were answered lately: whoever sends one again is replaying it.
//!
//! A replay comes to nothing by itself (H7). But it has a valid mac1, so without this an observer
//! of one hello could hold places under load as only those can who know the target's key (H5).

use std::collections::{HashSet, VecDeque};

/// How many are remembered; only pinned clients can add to them.
const MOST: usize = 8192;

/// Half of the ephemeral key of a hello, which no honest client uses twice.
type Mark = [u8; 16];

/// The last hellos that were answered.
#[derive(Default)]
pub(crate) struct Seen {
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
}

impl Seen {
    pub(crate) fn contains(&self, mark: &Mark) -> bool {
        self.marks.contains(mark)
    }

    /// Remembers a hello, and forgets the oldest if there are too many.
    pub(crate) fn insert(&mut self, mark: Mark) {
        if !self.marks.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(n: usize) -> Mark {
        u128::try_from(n).unwrap().to_be_bytes()
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut seen = Seen::default();
        for n in 0..MOST + 10 {
            seen.insert(mark(n));
            seen.insert(mark(n));
        }
        assert_eq!((seen.marks.len(), seen.order.len()), (MOST, MOST));
        assert!(!seen.contains(&mark(9)));
        assert!(seen.contains(&mark(10)));
        assert!(seen.contains(&mark(MOST + 9)));
        assert!(!seen.contains(&mark(MOST + 10)));
    }
}
