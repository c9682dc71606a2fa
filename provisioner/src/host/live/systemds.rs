//! Every systemd of a host: its own, and that of each user whose units are asked about.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::systemd::Systemd;
use crate::host::HostError;
use crate::name::{AbsPath, UserName};
use crate::unit_file;

/// The host's systemd, and those of users as they come to be needed.
#[derive(Default)]
pub(super) struct Systemds {
    host: Arc<Systemd>,
    users: Mutex<BTreeMap<UserName, (u32, Arc<Systemd>)>>,
    /// Whether files of users' units were changed.
    users_outdated: AtomicBool,
}

impl Systemds {
    /// The host's own.
    pub(super) fn host(&self) -> Arc<Systemd> {
        Arc::clone(&self.host)
    }

    /// A user's; nothing is asked of it yet.
    pub(super) fn of_user(&self, name: &UserName, uid: u32) -> Arc<Systemd> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = users.get(name).filter(|(known, _)| *known == uid) {
            return Arc::clone(known);
        }
        let systemd = Arc::new(Systemd::of_user(Arc::clone(&self.host), name.clone(), uid));
        if self.users_outdated.load(Ordering::Relaxed) {
            systemd.outdate();
        }
        users.insert(name.clone(), (uid, Arc::clone(&systemd)));
        systemd
    }

    /// What lies at a path has changed: whoever reads it as part of a unit must read it anew. Which
    /// users do is not asked, since to read what has not changed is no harm.
    pub(super) fn outdate(&self, path: &AbsPath) {
        if unit_file::is_read(path) {
            self.host.outdate();
        }
        if unit_file::is_read_for_users(path) {
            self.users_outdated.store(true, Ordering::Relaxed);
            for systemd in self.known() {
                systemd.outdate();
            }
        }
    }

    /// Lets all that were asked about units read what has changed.
    pub(super) fn reload(&self) -> Result<(), HostError> {
        if self.host.is_outdated() {
            self.host.reload()?;
        }
        // Whoever was not asked, or runs no more, reads all of it at the next start.
        let mut asked = self.known();
        asked.retain(|systemd| systemd.is_outdated() && systemd.is_connected());
        asked.iter().try_for_each(|systemd| systemd.reload())
    }

    fn known(&self) -> Vec<Arc<Systemd>> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.values().map(|(_, s)| Arc::clone(s)).collect()
    }
}
