//! What a host is: [`Observe`] reads it, [`Mutate`] changes it. Real, rooted and in-memory hosts.

mod archive;
pub mod authorities;
pub mod facts;
mod key;
pub mod live;
pub mod memory;
pub mod overlay;
pub mod probe;
mod seen;
pub mod setting;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::effect::{Command, Effect, Transaction};
use crate::name::{AbsPath, GroupName, PackageName, SysctlKey, UnitId, UserName};

use crate::undo::PreImages;

use self::facts::Facts;
pub use self::key::{Key, Memo};
use self::probe::{Looked, Probe};
pub use self::seen::{Checkout, Entry, EntryKind, Group, Newer, Owner, Package, Unit, User};
use self::setting::Setting;

/// A BLAKE3 hash of content.
pub type Hash = blake3::Hash;

/// What goes wrong when a host is read or changed. The words are whole: what, where, why.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// A system call failed on a path.
    #[error("{what} {path}: {why}")]
    Io {
        /// What was attempted: "cannot read", "cannot replace".
        what: &'static str,
        /// The path it was attempted on.
        path: String,
        /// The operating system's reason.
        why: String,
    },
    /// The path cannot be touched safely (A2, A3): a symlink that others control, a special file.
    #[error("refused to touch {path}: {why}")]
    Unsafe {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A program that hpt started failed or could not be started.
    #[error("{program} {why}")]
    Program {
        /// The program's name.
        program: String,
        /// "exited with 100: ..." or "was not found".
        why: String,
    },
    /// Something that the host lacks, or a state in which it refuses.
    #[error("{0}")]
    Refused(String),
    /// Content that the plan refers to is not in the blob store.
    #[error("the content of {0} has not been sent")]
    MissingBlob(String),
}

impl HostError {
    /// An I/O error with the path that it happened on.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "`path.display()` reads better at every caller"
    )]
    pub fn io(what: &'static str, path: impl ToString, error: &io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_string(),
            why: error.to_string(),
        }
    }
}

/// What this host can do; `--root` and a missing root right take powers away, and a plan shows which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each power is there or not, by itself"
)]
pub struct Powers {
    /// systemd runs and can be asked.
    pub services: bool,
    /// Commands from a config may run.
    pub exec: bool,
    /// Packages may be installed and removed.
    pub packages: bool,
    /// Users and groups may be made and changed.
    pub accounts: bool,
    /// Files may be given to other owners.
    pub chown: bool,
    /// Settings of the running kernel and host may be changed.
    pub kernel: bool,
    /// The host may be rebooted in the midst of a run, which goes on afterwards.
    pub reboots: bool,
}

/// Reading a host. No method takes a command line from a config, and none changes anything.
pub trait Observe: Sync {
    /// What this host can do.
    fn powers(&self) -> Powers;
    /// What is known of the host itself.
    fn facts(&self) -> &Facts;
    /// Reads many things at once, in parallel. A hint: never needed for correctness.
    fn prefetch(&self, keys: &[Key]);
    /// The entry at a path, symlinks not followed.
    ///
    /// # Errors
    /// If the path cannot be walked safely or read.
    fn path(&self, path: &AbsPath) -> Result<Option<Entry>, HostError>;
    /// Whether the directory at a path holds anything but the paths in `gone`; `false` if there is
    /// no directory.
    ///
    /// # Errors
    /// If it cannot be read.
    fn holds_besides(&self, dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError>;
    /// The names in the directory at a path, sorted; none if there is no directory. What is not UTF-8
    /// in a name is replaced.
    ///
    /// # Errors
    /// If it cannot be read.
    fn entries(&self, dir: &AbsPath) -> Result<Vec<String>, HostError>;
    /// The hash of the regular file at a path, without following a symlink.
    ///
    /// # Errors
    /// If it is not a regular file or cannot be read.
    fn hash(&self, path: &AbsPath) -> Result<Option<Hash>, HostError>;
    /// The content of the regular file at a path, up to 1 MiB; longer is an error.
    ///
    /// # Errors
    /// Those of [`Observe::hash`], and a file that is too long.
    fn read(&self, path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError>;
    /// A user by name.
    ///
    /// # Errors
    /// If the account files cannot be read.
    fn user(&self, name: &UserName) -> Result<Option<User>, HostError>;
    /// A group by name.
    ///
    /// # Errors
    /// If the account files cannot be read.
    fn group(&self, name: &GroupName) -> Result<Option<Group>, HostError>;
    /// The name of the user with a number.
    ///
    /// # Errors
    /// If the account files cannot be read.
    fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError>;
    /// The name of the group with a number.
    ///
    /// # Errors
    /// If the account files cannot be read.
    fn group_numbered(&self, gid: u32) -> Result<Option<GroupName>, HostError>;
    /// The users whose primary group this is.
    ///
    /// # Errors
    /// If the accounts cannot be read.
    fn primary_users(&self, group: &GroupName) -> Result<Vec<UserName>, HostError>;
    /// An installed package by name.
    ///
    /// # Errors
    /// If the package database cannot be read.
    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError>;
    /// Whether the host's own package lists know a newer version of an installed package. No server
    /// is asked, and nothing while the lists are as they were.
    ///
    /// # Errors
    /// If the package manager cannot be started.
    fn newer(&self, name: &PackageName) -> Result<Newer, HostError>;
    /// What the package manager has against removing packages, or against another version of one,
    /// because of others that are installed; a whole sentence, as an apply would say it. A tool
    /// with fixed arguments is started only if the record alone cannot show that nothing speaks against it.
    ///
    /// # Errors
    /// If the record cannot be read, or the package manager cannot be started.
    fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError>;
    /// A unit; `None` if the systemd that it belongs to knows none.
    ///
    /// # Errors
    /// If that systemd cannot be asked; a user's may not run.
    fn unit(&self, unit: &UnitId) -> Result<Option<Unit>, HostError>;
    /// The git working tree at a path; `None` if there is none. No process is started.
    ///
    /// # Errors
    /// If it cannot be read.
    fn checkout(&self, path: &AbsPath) -> Result<Option<Checkout>, HostError>;
    /// What the running kernel or host is set to. No process is started.
    ///
    /// # Errors
    /// If it cannot be read.
    fn setting(&self, setting: &Setting) -> Result<Option<String>, HostError>;
    /// Whether nobody here may set this kernel parameter, root neither: a container has it so.
    fn is_read_only(&self, key: &SysctlKey) -> bool {
        let _ = key;
        false
    }
    /// The bytes of a blob that was sent or fetched for this run; `None` if it is not here yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError>;
    /// Whether a blob is in the store, without reading it.
    fn has_blob(&self, hash: &Hash) -> bool;
    /// Whether hpt was to remember this.
    ///
    /// # Errors
    /// If its memory cannot be read.
    fn remembers(&self, memo: &Memo) -> Result<bool, HostError>;
    /// A short fingerprint of a secret under this host's own key: equal secrets show equal, and
    /// nobody without the key can guess at them.
    fn fingerprint(&self, secret: &[u8]) -> String;
}

/// What an effect tells while it runs.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Bytes that a command wrote.
    Output {
        /// Where it wrote them.
        stream: Stream,
        /// What it wrote, unfiltered.
        bytes: Vec<u8>,
    },
    /// A word for a person who waits: "waiting for the dpkg lock held by apt (pid 812)".
    Note(String),
}

/// Where a command's output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What one effect did.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// A few words for the report: "installed 1.22.1-9".
    pub note: String,
    /// Exit code of the command that ran, if one ran.
    pub exit: Option<i32>,
    /// Whether a command ran and says that it changed nothing.
    pub idle: bool,
    /// The first 64 KiB of what the command wrote to standard output.
    pub stdout: String,
}

impl Done {
    /// It went well, in a few words.
    pub fn noting(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..Self::default()
        }
    }
}

/// Changing a host. `&mut`: nobody reads while an effect runs.
pub trait Mutate: Observe {
    /// Performs a batch of effects of one sort (see [`Effect::sort`]), or of removals, in order, and
    /// answers for each. When this returns, what is reported done is durable. After a failure the remaining
    /// effects of the batch are not performed and have no answer.
    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>>;
    /// Keeps the content of the regular files among these paths, durably, so that it can be put back:
    /// the hash and length of each, as a blob; or why it is not kept, because it is too much.
    ///
    /// # Errors
    /// If one cannot be read or kept.
    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError>;
    /// Runs a guard; whether it exited 0.
    ///
    /// # Errors
    /// If it could not be started or was killed.
    fn guard(&mut self, command: &Command) -> Result<bool, HostError>;
    /// Looks once whether the host does what it is there for, for no longer than `most`.
    fn probe(&mut self, probe: &Probe, most: Duration) -> Looked;
    /// Reboots the host, and returns when it is back; where this process goes down with the host, it
    /// returns only if that does not go down within `most`.
    ///
    /// # Errors
    /// If it does not go down.
    fn reboot(&mut self, most: Duration) -> Result<(), HostError>;
    /// Says how long all may take that is performed from here on; each program's own time if `None`.
    fn limit(&mut self, time: Option<Duration>) {
        let _ = time;
    }
    /// Forgets what was read, so that what is asked next shows the host as it is by then.
    fn refresh(&mut self) {}
    /// Waits; the host owns the clock.
    fn pause(&mut self, time: Duration);
    /// Ends a run: whatever was put off until something needs it is done now.
    ///
    /// # Errors
    /// If that fails.
    fn settle(&mut self) -> Result<(), HostError> {
        Ok(())
    }
}
