//! The closed list of what hpt can do to a host. Diff, apply and undo are written once, over these.

mod account;
mod command;
mod file;
mod name;
mod parts;

use std::time::Duration;

use crate::host::setting::Setting;
use crate::host::{Hash, Key, Memo};
use crate::name::{AbsPath, PackageName, PackageVersion, UnitId, UserName};
use crate::secret::Secret;

pub use self::account::{Expiry, GroupEdit, UserEdit, UserShape};
pub use self::command::{ChangedIf, Command, Program};
pub use self::file::{Access, Content, WriteFile};

/// One change to a host.
#[derive(Clone)]
pub enum Effect {
    /// Puts a whole file in place, or replaces it, atomically (A1).
    WriteFile(WriteFile),
    /// Makes one directory; its parent exists by then.
    MakeDir {
        /// Where.
        path: AbsPath,
        /// Owner, group and mode it is born with.
        access: Access,
    },
    /// Makes or replaces a symbolic link.
    Link {
        /// The link.
        path: AbsPath,
        /// Where it points, as stored.
        to: String,
    },
    /// Changes owner, group or mode of what is there; `None` in [`Access`] leaves it.
    SetAccess {
        /// Whose.
        path: AbsPath,
        /// The wanted values.
        access: Access,
    },
    /// Removes a file, a link or, if `recursive`, a directory with all it holds on this file system.
    Remove {
        /// What.
        path: AbsPath,
        /// Whether a directory may hold anything.
        recursive: bool,
    },
    /// One transaction of the package manager.
    Packages(Transaction),
    /// Makes a group or changes one.
    Group(GroupEdit),
    /// Makes a user or changes one.
    User(UserEdit),
    /// Asks systemd to do something with a unit.
    Unit {
        /// Which.
        unit: UnitId,
        /// What.
        job: UnitJob,
    },
    /// Brings a setting of the running kernel or host to a value, by a system call or a fixed tool.
    Set {
        /// Which.
        setting: Setting,
        /// The value that it shows afterwards; `None` ends it.
        value: Option<String>,
    },
    /// Unpacks an archive below a directory that is there.
    Unpack(Box<UnpackJob>),
    /// Clones a git repository, or moves an existing clone to another revision.
    Clone(Box<CloneJob>),
    /// Runs a command that the config gives.
    Run(Box<Command>),
    /// Remembers something from one run to the next, or no longer.
    Remember {
        /// What.
        memo: Memo,
        /// Whether it is remembered from now on.
        kept: bool,
    },
}

/// Which effects may share a batch, and so a durable step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Plain file-system changes: one `syncfs` for all.
    Files,
    /// Package installations: one transaction for all.
    Packages,
    /// A batch of its own.
    Alone,
}

impl Effect {
    /// Which batch this may go into. A file with a check on its new content goes alone, since the
    /// check may look at what earlier effects wrote.
    pub fn sort(&self) -> Sort {
        match self {
            Self::WriteFile(file) if file.verify.is_some() => Sort::Alone,
            Self::WriteFile(_)
            | Self::MakeDir { .. }
            | Self::Link { .. }
            | Self::SetAccess { .. } => Sort::Files,
            Self::Packages(t) if t.remove.is_empty() => Sort::Packages,
            _ => Sort::Alone,
        }
    }

    /// The path that a plain file effect is about.
    pub fn path(&self) -> Option<&AbsPath> {
        match self {
            Self::WriteFile(file) => Some(&file.path),
            Self::MakeDir { path, .. }
            | Self::Link { path, .. }
            | Self::SetAccess { path, .. }
            | Self::Remove { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The path or the packages that this is about, where effects of its sort share a batch.
    pub fn about(&self) -> Vec<Key> {
        match self {
            Self::Packages(transaction) => {
                let installs = transaction.install.iter().map(|want| &want.name);
                let others = [
                    &transaction.upgrade,
                    &transaction.remove,
                    &transaction.hold,
                    &transaction.unhold,
                ];
                let names = installs.chain(others.into_iter().flatten());
                names.cloned().map(Key::Package).collect()
            }
            _ => self.path().cloned().map(Key::Path).into_iter().collect(),
        }
    }

    /// Whether hpt cannot see into what this does, so that it may undo an earlier block (rule 9).
    pub fn is_opaque(&self) -> bool {
        matches!(
            self,
            Self::Packages(_) | Self::Run(_) | Self::Clone(_) | Self::Unpack(_) | Self::Unit { .. }
        ) || matches!(self, Self::WriteFile(file) if file.verify.is_some())
    }
}

/// What the package manager is asked for, at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Packages to install or upgrade.
    pub install: Vec<Want>,
    /// Packages to have in the newest version that the package lists know.
    pub upgrade: Vec<PackageName>,
    /// Packages to remove; conffiles stay.
    pub remove: Vec<PackageName>,
    /// Packages that then stay at the version that they have.
    pub hold: Vec<PackageName>,
    /// Packages that may move again.
    pub unhold: Vec<PackageName>,
    /// Refresh the package lists first.
    pub refresh: bool,
}

/// A package that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Its name.
    pub name: PackageName,
    /// This version exactly, or whichever the manager picks.
    pub version: Option<PackageVersion>,
}

/// What systemd can be asked to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitJob {
    /// Start it and wait for the job.
    Start,
    /// Stop it and wait for the job.
    Stop,
    /// Restart it.
    Restart,
    /// Reload it.
    Reload,
    /// Start it at boot.
    Enable,
    /// Do not start it at boot.
    Disable,
    /// Let nothing start it.
    Mask,
    /// Let it be started again.
    Unmask,
    /// See that it stays active for so long, and is not started anew meanwhile.
    Watch(Duration),
}

/// An archive to unpack.
#[derive(Clone, Debug)]
pub struct UnpackJob {
    /// What the config calls it, for words.
    pub source: String,
    /// The archive.
    pub hash: Hash,
    /// The directory that it is unpacked below.
    pub dest: AbsPath,
    /// So many leading parts of each entry's path are dropped; what has no more is left out.
    pub strip: u8,
    /// Owner and group of all that is made; the mode is the archive's.
    pub access: Access,
    /// Whether set-uid and set-gid bits of the archive are kept.
    pub allow_setuid: bool,
}

/// A git repository to have at a path.
#[derive(Clone)]
pub struct CloneJob {
    /// An https or ssh URL (X5).
    pub url: String,
    /// The working tree.
    pub dest: AbsPath,
    /// Branch, tag or commit; the remote's HEAD if `None`.
    pub rev: Option<String>,
    /// Only so many commits of history.
    pub depth: Option<u32>,
    /// Clone submodules too.
    pub submodules: bool,
    /// Run git as this user, who owns the result.
    pub owner: Option<UserName>,
    /// Throw local changes away.
    pub force: bool,
    /// Private key for ssh, never on a disk that outlives the command.
    pub deploy_key: Option<Secret>,
    /// Lines of `known_hosts` that pin the server's key.
    pub known_hosts: Option<String>,
    /// Name for https.
    pub user: Option<String>,
    /// Password for https, handed over by a helper and not in any argument.
    pub password: Option<Secret>,
}
