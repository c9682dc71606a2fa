//! What is installed, as the record of a package manager has it.

use std::collections::HashMap;

use crate::host::Package;
use crate::name::PackageName;

/// Packages by name, and by name with architecture.
#[derive(Debug, Default)]
pub(in super::super) struct Packages(HashMap<String, Package>);

impl Packages {
    /// Adds a package; `main` if a bare name means this one where several architectures have it.
    pub(super) fn add(&mut self, name: &str, arch: &str, main: bool, package: Package) {
        self.0.insert(format!("{name}:{arch}"), package.clone());
        if main {
            self.0.insert(name.to_owned(), package);
        } else {
            self.0.entry(name.to_owned()).or_insert(package);
        }
    }

    /// Says of an installed package, in all its architectures, that it is on hold.
    pub(super) fn set_held(&mut self, name: &str) {
        for (key, package) in &mut self.0 {
            let bare = key.split(':').next().unwrap_or_default();
            package.held |= key == name || bare == name;
        }
    }

    /// A package that is installed, or halfway there.
    pub(in super::super) fn get(&self, name: &PackageName) -> Option<&Package> {
        self.0.get(name.as_str())
    }

    /// Whether any package is unpacked but not configured, as after a crash.
    pub(in super::super) fn any_unconfigured(&self) -> bool {
        self.0.values().any(|package| !package.configured)
    }

    /// Whether there is none at all.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
