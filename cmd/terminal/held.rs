//! What one of many targets has to say, kept until it is told together with what the others have.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

/// Where words go in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    /// Results.
    Out,
    /// What is good to know, and errors.
    Err,
}

/// What a target has said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Its words, which may be those of others too.
    pub(crate) words: Vec<(Stream, String)>,
    /// One line about what it has come to.
    pub(crate) line: String,
}

/// What is not told yet.
#[derive(Default)]
pub(crate) struct Held {
    told: Told,
    /// What goes on just now.
    passing: Rc<RefCell<String>>,
}

impl Held {
    /// What goes on at its target, for whoever shows that.
    pub(crate) fn passing(&self) -> Rc<RefCell<String>> {
        Rc::clone(&self.passing)
    }

    pub(super) fn keep(&mut self, stream: Stream, words: impl Display) {
        self.told.words.push((stream, words.to_string()));
    }

    pub(super) fn conclude(&mut self, line: String) {
        self.told.line = line;
    }

    pub(super) fn pass(&self, words: impl Display) {
        *self.passing.borrow_mut() = words.to_string();
    }

    pub(super) fn take(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }
}
