//! What a target does: serve those whom its keystore pins, hold blobs, plan, and perform runs.
//!
//! [`serve()`] is all of `hpt serve`; [`child::run_child`] is the hidden verb that performs one run
//! for it; [`run`] is the same without a network, for a host that provisions itself.

#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it cannot happen"
)]

mod apply;
pub mod audit;
pub mod blobs;
pub mod child;
mod confirm;
mod decide;
mod direct;
pub mod drift;
mod due;
mod fit;
mod gate;
mod grants;
pub mod guard;
mod intake;
mod join;
pub mod journal;
pub mod kept;
mod ledger;
pub mod lock;
mod log;
mod notes;
mod orders;
mod own;
mod pinning;
mod pins;
mod prepare;
mod process;
mod program;
mod put;
mod recorded;
mod refusal;
mod resume;
mod ruleset;
pub mod run;
mod runner;
pub mod serve;
mod service;
mod sink;
mod standby;
pub mod state;
mod status;
mod systemd;
mod undo;
pub mod unit_file;
mod upgrade;
pub mod wait;
mod why;

use std::path::{Path, PathBuf};

use hpt_proto::Running;
use hpt_proto::wire::RunRequest;

use crate::audit::Asked;

pub use join::{JoinError, join};
pub use put::PutError;
pub use runner::Runner;
pub use serve::{Options, ServeError, Server, serve};

/// Where a host is, and where hpt keeps what is its own.
#[derive(Debug, Clone)]
pub struct Places {
    /// `/`, or the directory of a root that does not run.
    pub root: PathBuf,
    /// What outlives a boot: blobs, the key of fingerprints. Made with mode 0700 if it is missing.
    pub state: PathBuf,
    /// What does not: the lock. Made with mode 0700 if it is missing.
    pub run: PathBuf,
}

impl Places {
    /// Where what is kept about this root is, and about no other.
    fn of_root(&self) -> PathBuf {
        if self.root == Path::new("/") {
            return self.state.clone();
        }
        let name = blake3::hash(self.root.as_os_str().as_encoded_bytes()).to_hex();
        self.state.join("roots").join(&name[..16])
    }

    /// What a process that is started for a run here has to know.
    fn order(&self, running: &Running, asked: &Asked) -> RunRequest {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        RunRequest {
            running: Some(running.clone().into()),
            root: text(&self.root),
            state: text(&self.state),
            lock: text(&self.run),
            key: asked.key.clone(),
            grants: asked.grants.clone(),
            ..RunRequest::default()
        }
    }
}

impl Default for Places {
    /// Those of a host that serves itself.
    fn default() -> Self {
        Self {
            root: "/".into(),
            state: "/var/lib/hpt".into(),
            run: "/run/hpt".into(),
        }
    }
}
