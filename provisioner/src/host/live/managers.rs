//! Which package manager a host has; the one place where another would be added.

use std::path::Path;
use std::sync::Arc;

use super::apt::Apt;
use super::dpkg::Packages;
use crate::effect::Transaction;
use crate::host::{Done, HostError, Progress};

/// A package manager that hpt knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    /// apt with dpkg: Debian and what comes of it.
    Apt,
}

impl Manager {
    /// The manager of the running host.
    pub(super) fn detect() -> Option<Self> {
        Path::new("/usr/bin/apt-get").exists().then_some(Self::Apt)
    }

    /// Performs transactions; answers in order, up to a failure. `packages` reads what is installed.
    pub(super) fn perform(
        self,
        batch: &[&Transaction],
        packages: &dyn Fn() -> Result<Arc<Packages>, HostError>,
        tell: &mut dyn FnMut(Progress),
    ) -> Vec<Result<Done, HostError>> {
        match self {
            Self::Apt => Apt {
                packages,
                tell,
                refreshed: false,
            }
            .perform(batch),
        }
    }
}
