//! Who am I, and whom do I trust: keys, pins and the file that keeps them.
//!
//! A keystore is read whole and let go, or replaced whole; nothing here keeps a file open. Its
//! content is handed over as owned values: [`client::ClientKeys`] or [`target::TargetKeys`].

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

mod address;
mod backup;
mod checksum;
pub mod client;
mod file;
mod gen_target;
mod grant;
mod identity;
mod image;
mod introduction;
mod invitation;
mod key;
mod letter;
mod name;
mod own;
mod passphrase;
mod record;
mod restore;
mod sealed;
mod secret;
mod signing;
mod store;
pub mod target;
mod unfit;

pub use address::{Address, BadAddress};
pub use backup::{BackupError, backup};
pub use file::{Existing, FileError, Hazard};
pub use gen_target::{GenTargetError, NewTarget, gen_target, gen_target_in};
pub use grant::{BadGrant, Grant, Grants};
pub use identity::{BadIdentity, Identity, Keypair, Role};
pub use introduction::{BadIntroduction, Introduction, introduce};
pub use invitation::{BadInvitation, FirstKeys, Invitation, LONGEST as LONGEST_INVITATION};
pub use key::{BadKey, Psk, PublicKey, SecretKey};
pub use letter::{BadLetter, Letter, NotOpened};
pub use name::{BadName, CallName, ClientName, TargetName};
pub use own::Own;
pub use passphrase::{
    EmptyPassphrase, Passphrase, PassphraseError, WrongPassphrase, set_passphrase,
};
pub use restore::{RestoreError, restore};
pub use sealed::SealedKeys;
pub use signing::{BadSignature, SigningKey, VerifyingKey};
pub use unfit::LoadError;
