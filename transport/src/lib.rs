//! TCP bytes to an authenticated, encrypted [`Link`], and gRPC over it. `WIRE.md` is the protocol.
//!
//! A target calls [`bind`] and [`listen`] and hands the links to [`grpc::server`]; a client makes a [`Dialer`]
//! and calls [`grpc::connect`].

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

mod allow;
mod count;
mod dial;
mod door;
pub mod grpc;
mod half_open;
mod handshake;
mod idle;
mod link;
mod listener;
mod local;
mod penalty;
mod quiet;
mod record;
mod resolver;
mod seen;
mod session;
mod source;
#[cfg(test)]
mod tamper;
mod trouble;
#[cfg(test)]
mod vectors;
mod wire;
mod x25519;

pub use allow::{AllowList, Pin};
pub use dial::{DialError, Dialer};
pub use door::{Limits, Tell, TurnedAway};
pub use half_open::HalfOpenLimits;
pub use idle::Accepted;
pub use link::{Link, LinkError};
pub use listener::{Incoming, bind, listen, listen_and_tell};
pub use local::{LocalKey, LocalKeys};
pub use penalty::Penalties;
pub use session::SessionLimits;
pub use wire::VERSION;
