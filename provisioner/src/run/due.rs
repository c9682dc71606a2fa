//! The handlers that are due, remembered on the host until they have run: what a run that ends before
//! them has changed is noticed by the next one.

use std::collections::BTreeSet;

use super::Run;
use crate::effect::Effect;
use crate::notices;
use crate::report::{Event, Outcome};

impl Run<'_> {
    /// Remembers the handlers that blocks are about to notify, so that they run even if this run
    /// ends before them; those that were not remembered yet.
    pub(super) fn remember(&mut self, blocks: &[usize]) -> Vec<usize> {
        let all = blocks.iter().map(|index| &self.config.blocks[*index]);
        let handlers: BTreeSet<usize> =
            all.flat_map(|block| block.notify.iter().copied()).collect();
        let new = |handler: &usize| {
            let memo = notices::due(&self.config.blocks[*handler]);
            !self.host.remembers(&memo).unwrap_or(false)
        };
        let new: Vec<usize> = handlers.into_iter().filter(new).collect();
        for handler in &new {
            self.keep(*handler, *handler, true);
        }
        self.due.extend(&new);
        new
    }

    /// Forgets what was remembered for blocks of which none has got to act.
    pub(super) fn forget_unmoved(&mut self, new: Vec<usize>, blocks: &[usize]) {
        let moved = |index: &&usize| {
            let end = self.finished[**index].as_ref().map(|end| end.outcome);
            matches!(end, Some(Outcome::Changed | Outcome::Failed))
        };
        let moved = blocks.iter().filter(moved);
        let due: BTreeSet<usize> = moved
            .flat_map(|index| self.config.blocks[*index].notify.iter().copied())
            .collect();
        for handler in new.into_iter().filter(|handler| !due.contains(handler)) {
            self.keep(handler, handler, false);
        }
    }

    /// Forgets the handlers that this block has run.
    pub(super) fn handled(&mut self, index: usize) {
        for handler in self.notices.run_by(self.config, index) {
            self.keep(index, handler, false);
        }
        self.notices.done(self.config, index);
    }

    /// A handler that is due has nothing to do: its unit does not run, or is restarted anyway.
    pub(super) fn needless(&mut self, index: usize) {
        let memo = notices::due(&self.config.blocks[index]);
        if self.host.remembers(&memo).unwrap_or(false) {
            self.handled(index);
        }
    }

    /// Remembers that a handler is due, or no longer. It is no reason to stop if that fails.
    fn keep(&mut self, index: usize, handler: usize, kept: bool) {
        let memo = notices::due(&self.config.blocks[handler]);
        let effect = [Effect::Remember { memo, kept }];
        for error in self
            .host
            .perform(&effect, &mut |_, _| {})
            .into_iter()
            .filter_map(Result::err)
        {
            let text = error.to_string();
            self.witness.tell(Event::Note { block: index, text });
        }
    }
}
