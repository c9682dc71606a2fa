//! Looking once more at what was read: what a host shows under a key now, to compare with what it showed.

use super::digest_of;
use crate::host::{Hash, HostError, Key, Observe};

/// What a host shows under a key now, as [`View::into_reads`](super::View::into_reads) has it.
///
/// # Errors
/// Those of the host.
pub(crate) fn look(host: &dyn Observe, key: &Key) -> Result<Hash, HostError> {
    Ok(match key {
        Key::Path(path) => digest_of(&host.path(path)?),
        Key::Content(path) => digest_of(&host.hash(path)?),
        Key::Entries(dir) => digest_of(&host.holds_besides(dir, &[])?),
        Key::Names(dir) => digest_of(&host.entries(dir)?),
        Key::User(name) => digest_of(&host.user(name)?),
        Key::Group(name) => digest_of(&host.group(name)?),
        Key::UserNumber(uid) => digest_of(&host.user_numbered(*uid)?),
        Key::GroupNumber(gid) => digest_of(&host.group_numbered(*gid)?),
        Key::PrimaryUsers(group) => digest_of(&host.primary_users(group)?),
        Key::Package(name) => digest_of(&host.package(name)?),
        Key::Newer(name) => digest_of(&host.newer(name)?),
        Key::Unit(unit) => digest_of(&host.unit(unit)?),
        Key::Checkout(path) => digest_of(&host.checkout(path)?),
        Key::Setting(setting) => digest_of(&host.setting(setting)?),
        Key::Memo(memo) => digest_of(&host.remembers(memo)?),
    })
}

/// Whether a host showed nothing there.
pub(crate) fn is_absence(seen: &Hash) -> bool {
    *seen == digest_of(&None::<()>)
}
