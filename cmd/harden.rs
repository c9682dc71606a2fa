//! What the process does to itself before it holds a key (H14, H15).

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// No core file and no tracer of the same user can show keys. A kernel that refuses is no reason
/// not to work: the guard is a second one.
pub(crate) fn harden() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Nothing of a process that holds keys for long goes to swap, where they would outlive it. A page
/// is kept from its first use on, so memory that is never used is not taken.
///
/// It takes the capability, which root and our unit have: an ordinary user has a limit instead, and
/// to reach it later would fail whatever asks for memory.
pub(crate) fn keep_out_of_swap() {
    let able =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let from_first_use = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if !able || mlockall(from_first_use).is_err() {
        tracing::debug!("keys may be swapped out, which CAP_IPC_LOCK would prevent");
    }
}
