//! `packages = [...]`: packages that must be installed, in short.

use serde::Deserialize;

use crate::block::package::{Wanted, held};
use crate::block::{Decision, Holding, Kind};
use crate::host::{HostError, Key};
use crate::name::PackageName;
use crate::view::View;

/// The top-level list of packages that must be installed; any version will do.
///
/// ```toml
/// packages = ["nginx", "git", "curl"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Their names, as the host's package manager has them, such as `["nginx", "git"]`.
    names: Vec<PackageName>,
}

impl Kind for Packages {
    const NAME: &'static str = "packages";

    fn primary(&self) -> String {
        String::new() // there is one a file; config names it
    }

    fn reads(&self) -> Vec<Key> {
        self.names.iter().cloned().map(Key::Package).collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        self.names.iter().map(|name| held(name, None)).collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut wanted = Wanted::default();
        for name in &self.names {
            if let Err(cause) = wanted.installed(name, view)? {
                return Ok(Decision::Maybe(cause));
            }
        }
        wanted.decide(view)
    }
}
