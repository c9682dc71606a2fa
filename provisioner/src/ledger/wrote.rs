//! What hpt put at a path, kept to tell whether somebody has put something else there since.

use serde::{Deserialize, Serialize};

use crate::host::{EntryKind, HostError, Observe};
use crate::name::AbsPath;
use crate::undo::Lay;

/// What was written at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrote {
    /// A file of this content: its BLAKE3 hash, in hexadecimal digits.
    Content(String),
    /// A file that holds a secret: the host's own fingerprint of its content's hash.
    Secret(String),
    /// A symbolic link to this.
    Link(String),
}

impl Wrote {
    /// What a change leaves at a path; `None` if that is no content of its own.
    pub(super) fn of(left: &Lay) -> Option<Self> {
        match left {
            Lay::File { hash, .. } => Some(Self::Content(hash.clone())),
            Lay::Secret { print, .. } => Some(Self::Secret(print.clone())),
            Lay::Link { to } => Some(Self::Link(to.clone())),
            _ => None,
        }
    }

    /// Whether it is still there.
    pub(super) fn is_at(&self, path: &AbsPath, host: &dyn Observe) -> Result<bool, HostError> {
        if let Self::Link(to) = self {
            let entry = host.path(path)?;
            return Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Symlink(to.clone())));
        }
        let Some(now) = host.hash(path)? else {
            return Ok(false);
        };
        Ok(match self {
            Self::Content(hash) => now.to_hex().as_str() == hash,
            Self::Secret(print) => host.fingerprint(now.as_bytes()) == *print,
            Self::Link(_) => false,
        })
    }
}
