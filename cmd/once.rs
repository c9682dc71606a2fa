//! What is asked for or fetched once, however many targets it is for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Answers by their questions, shared by all targets of a command.
pub(crate) struct Once<Q, A>(Rc<RefCell<BTreeMap<Q, A>>>);

impl<Q, A> Clone for Once<Q, A> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<Q, A> Default for Once<Q, A> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<Q: Ord, A: Clone> Once<Q, A> {
    /// The answer, which is found the first time and kept from then on. What fails is tried again.
    pub(crate) fn ask<E>(&self, question: Q, find: impl FnOnce() -> Result<A, E>) -> Result<A, E> {
        if let Some(known) = self.0.borrow().get(&question) {
            return Ok(known.clone());
        }
        let found = find()?;
        self.0.borrow_mut().insert(question, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_found_once_and_what_was_not_is_looked_for_again() {
        let once: Once<&str, u32> = Once::default();
        let other = once.clone();
        assert_eq!(once.ask("a", || Err("none")), Err("none"));
        assert_eq!(other.ask("a", || Ok::<_, &str>(1)), Ok(1));
        assert_eq!(once.ask("a", || Ok::<_, &str>(2)), Ok(1));
        assert_eq!(once.ask("b", || Ok::<_, &str>(3)), Ok(3));
    }
}
