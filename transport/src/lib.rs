//! TCP bytes to an authenticated, encrypted [`Link`], and gRPC over it. `WIRE.md` is the protocol.
//!
//! A target calls [`bind`] and [`listen`] and hands the links to [`grpc::server`]; a client makes a [`Dialer`]
//! and calls [`grpc::connect`].

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

mod allow;
mod dial;
pub mod grpc;
mod half_open;
mod handshake;
mod link;
mod listener;
mod penalty;
mod quiet;
mod record;
mod resolver;
mod session;
mod source;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod vectors;
mod wire;

pub use allow::{AllowList, Pin};
pub use dial::{DialError, Dialer};
pub use half_open::HalfOpenLimits;
pub use link::{Link, LinkError};
pub use listener::{Incoming, Limits, bind, listen};
pub use penalty::Penalties;
pub use resolver::LocalKey;
pub use session::SessionLimits;
pub use wire::{Initiator, Prologue, Purpose, Route, VERSION};
