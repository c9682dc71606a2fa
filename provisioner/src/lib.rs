//! The engine of hpt: text -> [`Config`](config::Config) -> [`Plan`](plan::Plan) -> run -> [`Report`](report::Report).
//!
//! Nothing here knows a network, an async runtime or a clock; what a host is arrives as
//! [`Observe`](host::Observe) (read) and [`Mutate`](host::Mutate) (act). Planning is given only
//! `Observe`, so that a plan cannot change anything is a type and not a promise.

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

pub mod block;
pub mod config;
pub mod describe;
pub mod diff;
pub mod effect;
pub mod fault;
pub mod host;
pub mod inventory;
pub mod ledger;
pub mod listing;
mod mask;
pub mod name;
mod notices;
mod number;
pub mod plan;
pub mod report;
pub mod request;
mod results;
pub mod run;
pub mod secret;
pub mod source;
pub mod time;
pub mod undo;
mod unit_file;
pub mod view;

/// The TCP port on which a target is reached, unless it was told another.
pub const PORT: u16 = 6632;
