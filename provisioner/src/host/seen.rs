//! What a host shows of the things on it.

use crate::effect::Expiry;
use crate::name::{GroupName, Mode, PackageVersion, UserName};

/// Who owns a path: a number, or the name of an account that an earlier block will make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner<N> {
    /// As the file system stores it.
    Id(u32),
    /// An account whose number is not known yet.
    Named(N),
}

/// What lies at a path; symlinks are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// File, directory, symlink or something else.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: Mode,
    /// The owning user.
    pub owner: Owner<UserName>,
    /// The owning group.
    pub group: Owner<GroupName>,
}

/// The sort of a path's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// A directory.
    Dir,
    /// A symbolic link and where it points, as stored.
    Symlink(String),
    /// A FIFO, socket or device.
    Special,
}

/// A user as the passwd, group and shadow files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `None` until the account exists.
    pub uid: Option<u32>,
    /// The primary group's number; `None` until the account exists.
    pub gid: Option<u32>,
    /// The primary group's name, where it is known.
    pub group: Option<GroupName>,
    /// GECOS.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Supplementary groups, sorted.
    pub groups: Vec<GroupName>,
    /// Keyed fingerprint of the password hash in shadow, if it could be read; see
    /// [`Observe::fingerprint`](super::Observe::fingerprint).
    pub password: Option<String>,
    /// Whether the password is locked (`!` in shadow).
    pub locked: bool,
    /// Until when it can be used; `None` if that could not be read.
    pub expires: Option<Expiry>,
}

/// A group as the group file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `None` until the group exists.
    pub gid: Option<u32>,
    /// Members listed in the group file, sorted.
    pub members: Vec<UserName>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The installed version; `None` when an earlier block will install one that is not known yet.
    pub version: Option<PackageVersion>,
    /// Whether it is on hold.
    pub held: bool,
    /// Whether it is configured, not merely unpacked or half-installed.
    pub configured: bool,
}

/// Whether the package lists that a host has know a newer version of an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newer {
    /// The lists are missing or out of date, or cannot be asked.
    Unknown,
    /// What is installed is the newest that they know.
    None,
    /// This one.
    Is(PackageVersion),
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `ActiveState` as systemd words it: active, inactive, failed, activating, ...
    pub active: String,
    /// `UnitFileState`: enabled, disabled, static, masked, ...
    pub enabled: String,
    /// The reason a start was skipped, if `ConditionResult` is false.
    pub condition_failed: bool,
}

impl Unit {
    /// A unit whose file is new: it neither runs nor starts at boot.
    pub fn fresh() -> Self {
        Self {
            active: "inactive".to_owned(),
            enabled: "disabled".to_owned(),
            condition_failed: false,
        }
    }

    /// Whether it starts at boot.
    pub fn is_enabled(&self) -> bool {
        matches!(
            self.enabled.as_str(),
            "enabled" | "enabled-runtime" | "alias"
        )
    }

    /// Whether nothing can start it.
    pub fn is_masked(&self) -> bool {
        matches!(self.enabled.as_str(), "masked" | "masked-runtime")
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether it does not run and does not try to.
    pub fn is_stopped(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }
}

/// A git working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The URL of the remote `origin`.
    pub origin: Option<String>,
    /// The commit of HEAD, 40 hexadecimal digits, if it could be resolved.
    pub head: Option<String>,
    /// The branch that HEAD names, or `None` when detached.
    pub branch: Option<String>,
    /// What hpt was asked to check out here, if HEAD is still what it was then. A tag's or branch's
    /// name alone does not say; `hpt.rev` and `hpt.commit` in the tree's own config do.
    pub rev: Option<String>,
}
