//! What a view shows of packages.

use super::View;
use crate::effect::{Transaction, Want};
use crate::host::overlay::{Cause, Fate};
use crate::host::{HostError, Key, Newer, Package};
use crate::name::PackageName;

impl View<'_> {
    /// The installation that an earlier block will make, while absences are unknown because of it.
    pub fn pending_install(&self) -> Option<Cause> {
        self.overlay.pending_install().cloned()
    }

    /// An installed package by name.
    ///
    /// # Errors
    /// Those of the host.
    pub fn package(&self, name: &PackageName) -> Result<Fate<Option<Package>>, HostError> {
        if let Some(seen) = self.overlay.package(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.package(name)?;
        self.record(Key::Package(name.clone()), &seen);
        // A pending installation may bring it as a dependency, yet a block that names it wants it
        // marked as wanted all the same: absent stays known here.
        Ok(Fate::Is(seen))
    }

    /// Whether the package lists know a newer version of a package that is installed. What an earlier
    /// block installs is the newest, and where one changes what the lists are made from, they are
    /// refreshed before it can be said.
    ///
    /// # Errors
    /// Those of the host.
    pub fn newer(&self, name: &PackageName) -> Result<Fate<Newer>, HostError> {
        if let Some(Some(Package { version: None, .. })) = self.overlay.package(name) {
            return Ok(Fate::Is(Newer::None));
        }
        if let Some(path) = self.overlay.changed_package_source() {
            return Ok(Fate::Unknown(Cause(format!("what {path} will bring"))));
        }
        let seen = self.base.newer(name)?;
        self.record(Key::Newer(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// What the package manager has against a transaction that comes after those of earlier blocks.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError> {
        let mut all = Transaction {
            install: wanted.install.clone(),
            remove: wanted.remove.clone(),
            ..Transaction::default()
        };
        for (name, foreseen) in self.overlay.foreseen_packages() {
            let is_named = all.remove.contains(name) || all.install.iter().any(|w| w.name == *name);
            if is_named {
                continue;
            }
            let version_now = self.base.package(name)?.map(|now| now.version);
            match (version_now, foreseen) {
                (Some(_), None) => all.remove.push(name.clone()),
                (Some(now), Some(foreseen))
                    if foreseen.version.is_none() || foreseen.version == now => {}
                (_, Some(foreseen)) => all.install.push(Want {
                    name: name.clone(),
                    version: foreseen.version.clone(),
                }),
                (None, None) => {}
            }
        }
        self.base.objection(&all)
    }
}
