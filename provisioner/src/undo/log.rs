//! What the blocks of a run have replaced, as it happens.

use std::collections::BTreeMap;

use super::Before;

/// What the blocks of a run have replaced so far, by their indices.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Those that have changed something, in the order in which they began to.
    order: Vec<usize>,
    before: BTreeMap<usize, Vec<Before>>,
}

impl Log {
    /// This block is about to change something, and this is what it replaces.
    pub fn add(&mut self, block: usize, before: impl IntoIterator<Item = Before>) {
        let known = self.before.entry(block).or_insert_with(|| {
            self.order.push(block);
            Vec::new()
        });
        known.extend(before);
    }

    /// The blocks, newest first, with what each has replaced, in the order in which it did.
    pub fn newest_first(mut self) -> impl Iterator<Item = (usize, Vec<Before>)> {
        let order = self.order.into_iter().rev();
        order.map(move |block| (block, self.before.remove(&block).unwrap_or_default()))
    }
}
