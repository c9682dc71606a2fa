//! Who am I, and whom do I trust: keys, pins and the file that keeps them.

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

mod identity;
mod key;
mod secret;
mod signing;

pub use identity::{BadIdentity, Identity, Keypair, Role};
pub use key::{BadKey, Psk, PublicKey, SecretKey};
pub use signing::{BadSignature, SigningKey, VerifyingKey};
