//! The names of what a host can be asked about, and of what hpt remembers on it.

use super::setting::Setting;
use crate::name::{AbsPath, GroupName, PackageName, UnitId, UserName};

/// What a path, user, group, package or unit may be asked about; a hint for [`Observe::prefetch`](super::Observe::prefetch)
/// and the name under which a read is recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The entry at a path.
    Path(AbsPath),
    /// The content of the file at a path.
    Content(AbsPath),
    /// Whether the directory at a path holds anything.
    Entries(AbsPath),
    /// The names in the directory at a path.
    Names(AbsPath),
    /// A user.
    User(UserName),
    /// A group.
    Group(GroupName),
    /// The user with a number.
    UserNumber(u32),
    /// The group with a number.
    GroupNumber(u32),
    /// The users whose primary group this is.
    PrimaryUsers(GroupName),
    /// A package.
    Package(PackageName),
    /// A newer version of an installed package.
    Newer(PackageName),
    /// A unit.
    Unit(UnitId),
    /// A git working tree.
    Checkout(AbsPath),
    /// A setting of the running kernel or host.
    Setting(Setting),
    /// Something that hpt was to remember.
    Memo(Memo),
}

impl Key {
    /// What it is about, as a person names it: `path:/etc/motd`, `user:ana`, `unit:nginx.service`.
    pub fn words(&self) -> String {
        match self {
            Self::Path(path)
            | Self::Content(path)
            | Self::Entries(path)
            | Self::Names(path)
            | Self::Checkout(path) => format!("path:{path}"),
            Self::User(name) => format!("user:{name}"),
            Self::Group(name) | Self::PrimaryUsers(name) => format!("group:{name}"),
            Self::UserNumber(number) => format!("uid:{number}"),
            Self::GroupNumber(number) => format!("gid:{number}"),
            Self::Package(name) | Self::Newer(name) => format!("package:{name}"),
            Self::Unit(unit) => format!("unit:{unit}"),
            Self::Setting(setting) => format!("setting:{setting}"),
            Self::Memo(_) => "memo".to_owned(),
        }
    }
}

/// What hpt remembers on a host from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memo {
    /// A handler, by its block's id, was notified and has not run since.
    Due(String),
    /// A command with this `once` has run.
    Once(String),
    /// The command with this token was undone.
    Undone(String),
    /// hpt has put a secret at this path, and nothing else since.
    Secret(AbsPath),
    /// What a place was made into last; of all that may be remembered of one place, only the last
    /// is.
    Made {
        /// Which place: a directory, a job's name.
        place: String,
        /// What it was made into.
        what: String,
    },
}
