//! What a host is asked to be: a config's texts, what its sources were resolved to, and the values
//! of its secrets. The host judges it anew, whatever its sender has checked (I4).

use std::collections::BTreeMap;

use crate::config::scope::{Opener, Scope};
use crate::config::{self, Config, File, Given};
use crate::fault::Fault;
use crate::host::facts::Facts;
use crate::secret::Secret;
use crate::source::{Blob, Source};

/// A config on its way to a host.
#[derive(Clone, Default)]
pub struct Request {
    /// The name under which the sender knows the host; empty on the host itself.
    pub target: String,
    /// The config's files, in the order of their execution.
    pub files: Vec<File>,
    /// What each source was resolved to.
    pub sources: BTreeMap<Source, Blob>,
    /// What the sender says besides the config.
    pub given: Given,
    /// The values of `[secret.NAME]`.
    pub secrets: BTreeMap<String, Secret>,
}

impl Request {
    /// Judges the config with the host's own facts, and with what its key opens.
    ///
    /// # Errors
    /// Every fault found.
    pub fn parse(self, facts: &Facts, opener: Option<Opener>) -> Result<Config, Vec<Fault>> {
        let scope = Scope {
            target: self.target,
            given: self.given,
            facts: Some(facts.clone()),
            secrets: Some(self.secrets),
            opener,
            blobs: self.sources,
            ..Scope::default()
        };
        config::parse(self.files, scope)
    }
}
