//! Until when the block may take that acts in this thread: programs and waits look here.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static END: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Gives what is started in this thread from here on so much time in all; each its own if `None`.
pub(super) fn set(time: Option<Duration>) {
    END.set(time.and_then(|time| Instant::now().checked_add(time)));
}

/// What is left of the block's time, or `usual` for a block that says nothing of it.
pub(super) fn left(usual: Duration) -> Duration {
    let end = END.get();
    end.map_or(usual, |end| end.saturating_duration_since(Instant::now()))
}
