//! Undoing a run: what it replaced, kept before each change, and the changes that put it back.
//!
//! What can be put back is put back newest first: units that did not run are stopped, then what was made is
//! removed and what was replaced returns. Last, in the order of the run, what depends on that: settings
//! of the kernel, and units that are started, restarted or told to reload.

mod before;
mod reverse;
mod run;

pub use self::before::{Again, Before, GroupWas, Lay, PreImages, Rights, UserWas};
pub(crate) use self::before::{before, replaces};
pub use self::run::{Change, Fate, foresee, undo};
