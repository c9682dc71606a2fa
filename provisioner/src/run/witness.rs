//! Who watches a run: keeps what it is about to do and what it has come to, and may stop it.

use std::io;

use super::Intent;
use crate::report::Event;

/// Who a run tells what it does, and who may stop it.
pub trait Witness {
    /// Is told what is about to be done, and keeps it where a crash cannot take it away.
    ///
    /// # Errors
    /// If it cannot be kept; then it is not done, and the run stops.
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()>;
    /// Hears an event. What has finished need not be kept, nor shown to anybody, before
    /// [`Witness::settle`].
    fn tell(&mut self, event: Event);
    /// Keeps what has finished where a crash cannot take it away: the host holds it durably.
    ///
    /// # Errors
    /// If it cannot be kept; then the run stops.
    fn settle(&mut self) -> io::Result<()>;
    /// Whether to go on; asked between blocks.
    fn go_on(&mut self) -> bool;
}

/// Nobody: nothing is kept, for hosts that a crash takes away as a whole.
impl Witness for () {
    fn intend(&mut self, _: &[Intent]) -> io::Result<()> {
        Ok(())
    }

    fn tell(&mut self, _: Event) {}

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}
