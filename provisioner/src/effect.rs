//! The closed list of what hpt can do to a host. Diff, apply and undo are written once, over these.

use std::sync::Arc;
use std::time::Duration;

use crate::host::Hash;
use crate::name::{AbsPath, GroupName, Mode, PackageName, PackageVersion, UnitName, UserName};
use crate::secret::Secret;

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
        name: UnitName,
        /// What.
        job: UnitJob,
    },
    /// Clones a git repository, or moves an existing clone to another revision.
    Clone(Box<CloneJob>),
    /// Runs a command that the config gives.
    Run(Box<Command>),
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

    /// Whether hpt cannot see into what this does, so that it may undo an earlier block (rule 9).
    pub fn is_opaque(&self) -> bool {
        matches!(
            self,
            Self::Packages(_) | Self::Run(_) | Self::Clone(_) | Self::Unit { .. }
        ) || matches!(self, Self::WriteFile(file) if file.verify.is_some())
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

/// What the package manager is asked for, at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Packages to install or upgrade.
    pub install: Vec<Want>,
    /// Packages to remove; conffiles stay.
    pub remove: Vec<PackageName>,
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

/// A change to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEdit {
    /// Makes it.
    Add {
        /// Its name.
        name: GroupName,
        /// This number, or one that the system picks.
        gid: Option<u32>,
        /// From the range of system groups.
        system: bool,
    },
    /// Changes its number.
    SetGid {
        /// Its name.
        name: GroupName,
        /// The number.
        gid: u32,
    },
    /// Adds members.
    AddMembers {
        /// Its name.
        name: GroupName,
        /// Users who join.
        members: Vec<UserName>,
    },
    /// Removes it.
    Remove {
        /// Its name.
        name: GroupName,
    },
}

/// A change to a user.
#[derive(Clone)]
pub enum UserEdit {
    /// Makes it; every choice is passed explicitly, so that the host's defaults decide nothing.
    Add {
        /// Its name.
        name: UserName,
        /// How it is to be.
        as_: UserShape,
        /// From the range of system users.
        system: bool,
        /// Make the home directory from the skeleton.
        create_home: bool,
    },
    /// Changes what is given; `None` leaves it.
    Modify {
        /// Its name.
        name: UserName,
        /// What is to change.
        to: UserShape,
    },
    /// Removes it; the home directory stays unless `remove_home`.
    Remove {
        /// Its name.
        name: UserName,
        /// Whether its home and mail go too.
        remove_home: bool,
    },
}

/// The properties of a user that an edit sets; `None` leaves one, or the tool's own choice for a new user.
#[derive(Clone, Default)]
pub struct UserShape {
    /// Number.
    pub uid: Option<u32>,
    /// Primary group; a new user without one gets a group of its own name.
    pub group: Option<GroupName>,
    /// GECOS.
    pub comment: Option<String>,
    /// Home directory.
    pub home: Option<AbsPath>,
    /// Login shell.
    pub shell: Option<AbsPath>,
    /// Supplementary groups to join.
    pub join: Vec<GroupName>,
    /// Supplementary groups to leave.
    pub leave: Vec<GroupName>,
    /// Hash for shadow, handed to chpasswd on its standard input.
    pub password_hash: Option<Secret>,
    /// Lock or unlock the password.
    pub locked: Option<bool>,
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

/// A command from a config.
#[derive(Clone)]
pub struct Command {
    /// What runs.
    pub program: Program,
    /// Run as this user, with that user's groups; root if `None`.
    pub user: Option<UserName>,
    /// Run with this primary group.
    pub group: Option<GroupName>,
    /// Working directory; `/tmp` if `None`, as the original hpt had it.
    pub dir: Option<AbsPath>,
    /// The environment besides PATH, HOME, USER, LOGNAME, SHELL and LANG (X1).
    pub env: Vec<(String, Secret)>,
    /// Bytes for standard input; nothing if `None`.
    pub stdin: Option<Secret>,
    /// File mode creation mask.
    pub umask: Mode,
    /// TERM after this long, KILL ten seconds later, to the whole tree (X3).
    pub timeout: Duration,
    /// Exit codes that mean success.
    pub success: Vec<i32>,
}

/// What a command consists of.
#[derive(Clone)]
pub enum Program {
    /// A program and its arguments; no shell.
    Argv(Vec<Secret>),
    /// A text for an interpreter, handed over in a private file.
    Script {
        /// The interpreter's absolute path, such as `/bin/sh`.
        interpreter: AbsPath,
        /// The text.
        text: Secret,
    },
}
