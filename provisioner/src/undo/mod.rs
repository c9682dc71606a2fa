//! Undoing a run: what it replaced, kept before each change, and the changes that put it back.
//!
//! What is not as the run left it was changed by somebody since, and stays.
//!
//! What can be put back is put back newest first: units that did not run are stopped, then what was made is
//! removed and what was replaced returns. Last, in the order of the run, what depends on that: settings
//! of the kernel, and units that are started, restarted or told to reload.

mod accounts;
mod before;
mod change;
mod foresee;
mod lay;
mod left;
mod log;
mod look;
mod paths;
mod reverse;
mod run;

pub use self::before::{Again, Before, GroupLeft, GroupWas, UnitLeft, UserLeft, UserWas};
pub use self::change::Change;
pub use self::foresee::{Fate, foresee};
pub use self::lay::{Lay, Rights};
pub use self::log::Log;
pub use self::look::{PreImage, PreImages};
pub(crate) use self::look::{before, replaces};
pub use self::run::undo;
