//! Changes to users and groups.

use crate::name::{AbsPath, Day, GroupName, UserName};
use crate::secret::Secret;

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

/// Until when an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Without an end.
    Never,
    /// It cannot be used on this day and later.
    On(Day),
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
    /// The day from which on nobody can log in.
    pub expires: Option<Expiry>,
}
