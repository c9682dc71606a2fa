//! A file to put in place: what it holds, and who may do what with it.

use std::sync::Arc;

use crate::host::Hash;
use crate::name::{AbsPath, GroupName, Mode, UserName};

/// A file to put in place.
#[derive(Clone)]
pub struct WriteFile {
    /// Where.
    pub path: AbsPath,
    /// What it holds.
    pub content: Content,
    /// Owner, group and mode, set before it can be seen at `path`. `None` keeps what the replaced
    /// file has, or root:root and 0644 for a new one (0600 if `secret`).
    pub access: Access,
    /// A fixed program that must accept the new content before it is swapped in; `%s` in an
    /// argument is the new file's path.
    pub verify: Option<Vec<String>>,
    /// Whether the content must not be shown.
    pub secret: bool,
}

/// The content of a file.
#[derive(Clone)]
pub enum Content {
    /// Bytes in memory, such as a rendered template.
    Inline(Arc<[u8]>),
    /// A blob in the store, by hash.
    Blob {
        /// Its BLAKE3 hash.
        hash: Hash,
        /// Its length in bytes.
        size: u64,
        /// Whether no other file of the run needs it, so that it may become the file itself.
        only: bool,
    },
}

impl Content {
    /// The BLAKE3 hash of the content.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Inline(bytes) => blake3::hash(bytes),
            Self::Blob { hash, .. } => *hash,
        }
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Blob { size, .. } => *size,
        }
    }
}

/// Who may do what with a path. `None` leaves what is there, or what a new entry gets: root and
/// umask 022 (A6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Owning user.
    pub owner: Option<UserName>,
    /// Owning group.
    pub group: Option<GroupName>,
    /// Permission bits.
    pub mode: Option<Mode>,
}
