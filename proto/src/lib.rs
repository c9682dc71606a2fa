//! The words that client and target exchange (`target.proto`), as stubs for gRPC and as values
//! that cannot be wrong.
//!
//! [`wire`] is for those who call and those who answer; everything else handles the plain types of
//! [`convert`], which refuses a message that says something impossible (I5).

pub mod convert;
mod exact;
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    missing_docs,
    unnameable_types,
    unreachable_pub,
    reason = "nobody wrote it"
)]
#[rustfmt::skip]
mod generated;

pub use convert::{BadMessage, Begun, BlockName, Delivery, End, Running, Told, Undone};

/// The messages as they travel, and the stubs of the service.
pub mod wire {
    pub use crate::generated::*;
}
