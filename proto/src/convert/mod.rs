//! The only place where the wire's types meet the engine's. Reading is parsing: what a message
//! must not say is an error, whoever sent it (I4, I5).

mod delivery;
mod fault;
mod plan;
mod run;
mod told;

use hpt_provisioner::host::Hash;

use crate::wire;

pub use delivery::{Delivery, to_secrets};
pub use fault::{faults, to_faults};
pub use plan::{detail, plan_reply, to_detail, to_plan_reply};
pub use run::{Begun, BlockName, Running, Undone};
pub use told::{End, Told, outcome, to_outcome};

/// What a message said that it must not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side sent {0}")]
pub struct BadMessage(pub &'static str);

/// Reads a hash.
///
/// # Errors
/// Another length than 32 bytes.
pub fn hash(bytes: &[u8]) -> Result<Hash, BadMessage> {
    Hash::from_slice(bytes).map_err(|_| BadMessage("a hash that is not 32 bytes long"))
}

/// Reads a list of hashes.
///
/// # Errors
/// That of [`hash`].
pub fn hashes(list: &[Vec<u8>]) -> Result<Vec<Hash>, BadMessage> {
    list.iter().map(|bytes| hash(bytes)).collect()
}

/// A list of hashes as it travels.
pub fn to_hashes(list: &[Hash]) -> Vec<Vec<u8>> {
    list.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

impl From<&[Hash]> for wire::MissingBlobsRequest {
    fn from(list: &[Hash]) -> Self {
        Self {
            hashes: to_hashes(list),
        }
    }
}

/// A number for an index or a length that is known to be short.
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// An index below `end`.
fn index(number: u32, end: usize) -> Result<usize, BadMessage> {
    usize::try_from(number)
        .ok()
        .filter(|&index| index < end)
        .ok_or(BadMessage("an index beyond the end of its list"))
}
