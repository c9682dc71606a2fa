//! What programs read: one object a line. Every object says in `event` what it is.

mod fault;
mod plan;
mod run;

pub(crate) use self::fault::{Checked, Error, Fault};
pub(crate) use self::plan::{Block, Part, Plan};
pub(crate) use self::run::{
    Begun, BrokeOff, Confirmed, Declined, Event, Interrupted, Report, Waiting,
};
