//! Whether what is foreseen changes what a base shows under a key: then the base says nothing of it.

use super::{Fate, Overlay};
use crate::host::Key;
use crate::name::AbsPath;

impl Overlay {
    /// Whether the effects that were foreseen may change what a base shows there. `absent`: it showed
    /// nothing before them.
    pub(crate) fn answers(&self, key: &Key, absent: bool) -> bool {
        // What is installed brings accounts, units and files, and other packages.
        let brought = absent && self.pending_install.is_some();
        match key {
            Key::Path(path) => {
                brought || self.path(path).is_some() || self.shadow_within(path).is_some()
            }
            Key::Content(path) => match self.path(path) {
                Some(Fate::Is(Some(_))) => self.content.contains_key(path),
                Some(_) => true,
                None => brought || self.shadow_within(path).is_some(),
            },
            Key::Entries(dir) | Key::Names(dir) => {
                self.pending_install.is_some()
                    || self.path(dir).is_some()
                    || self.changes_below(dir)
            }
            Key::User(name) => brought || self.users.contains_key(name) || self.renumbers(),
            Key::Group(name) => brought || self.groups.contains_key(name),
            Key::UserNumber(_) | Key::GroupNumber(_) | Key::PrimaryUsers(_) => {
                brought || !self.users.is_empty() || !self.groups.is_empty()
            }
            Key::Package(_) | Key::Newer(_) => {
                !self.packages.is_empty() || self.changed_package_source().is_some()
            }
            Key::Unit(unit) => {
                self.pending_install.is_some() || self.served.is_some() || self.unit(unit).is_some()
            }
            Key::Checkout(path) => self.checkout(path).is_some(),
            Key::Setting(setting) => {
                self.settings.contains_key(setting) || self.may_change(setting, !absent).is_some()
            }
            // Only hpt itself writes there, and one run at a time.
            Key::Memo(_) => true,
        }
    }

    fn changes_below(&self, dir: &AbsPath) -> bool {
        let below = |path: &AbsPath| path.as_path().starts_with(dir.as_path());
        self.paths.keys().any(below)
            || self.removed.iter().any(below)
            || self.shadow_within(dir).is_some()
    }

    /// Whether a group goes or gets another number, which those have who are in it first.
    fn renumbers(&self) -> bool {
        !self.groups.is_empty()
    }
}
