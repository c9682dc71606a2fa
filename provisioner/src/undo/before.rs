//! What a change is about to replace, in values that can be kept until it is undone.

use serde::{Deserialize, Serialize};

use super::lay::{Lay, leave};
use crate::host::Key;
use crate::host::setting::Setting;
use crate::name::{AbsPath, GroupName, PackageName, PackageVersion, UnitId, UserName};

/// One thing as it was before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Before {
    /// What lay at a path.
    Path {
        /// The path.
        path: AbsPath,
        /// What lay there.
        was: Lay,
        /// The BLAKE3 hash of the content that the change puts there: what an earlier hpt kept of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrote: Option<String>,
        /// What the changes leave there, one after another; nothing if that is not known. A run may
        /// have ended after any of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Lay>,
    },
    /// A package.
    Package {
        /// Its name.
        name: PackageName,
        /// Whether it was installed.
        installed: bool,
        /// In which version, if it was.
        version: Option<PackageVersion>,
        /// Whether it was held at that.
        held: bool,
    },
    /// Whether a package was held.
    Held {
        /// Its name.
        name: PackageName,
        /// Whether it was.
        held: bool,
    },
    /// A group.
    Group {
        /// Its name.
        name: GroupName,
        /// Its number, and its members; `None` if there was none.
        was: Option<GroupWas>,
        /// What the change makes of it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<GroupLeft>,
    },
    /// A user.
    User {
        /// Its name.
        name: UserName,
        /// `None` if there was none.
        was: Option<UserWas>,
        /// Whether the password's hash changes, which was not kept.
        password: bool,
        /// What the change makes of it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Box<UserLeft>>,
    },
    /// A unit.
    Unit {
        /// Which.
        unit: UnitId,
        /// Whether it ran.
        running: bool,
        /// Whether it started at boot.
        enabled: bool,
        /// Whether nothing could start it.
        masked: bool,
        /// Whether it is only told to take its files anew.
        again: Option<Again>,
        /// What the change makes of it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<UnitLeft>,
    },
    /// A setting of the running kernel or host.
    Setting {
        /// Which.
        setting: Setting,
        /// Its value.
        was: Option<String>,
        /// The value that the change gives it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
    },
    /// A command that says how it is undone.
    Command {
        /// Tells it from all others, so that it is undone once.
        token: String,
        /// What reads the script.
        interpreter: AbsPath,
        /// The script that makes it undone.
        script: String,
        /// Who it ran as, and with which group; root if not said.
        user: Option<UserName>,
        /// The primary group.
        group: Option<GroupName>,
        /// Where it ran.
        dir: Option<AbsPath>,
        /// The mask that files are made with, as "0022".
        umask: String,
    },
    /// Whether a command with this `once` had run before.
    Once {
        /// The text.
        key: String,
        /// Whether it had.
        had_run: bool,
    },
    /// Something that cannot be had back, and why.
    Gone {
        /// The words: "its command has run".
        why: String,
    },
}

impl Before {
    /// Whether both are about one thing.
    pub(super) fn is_of_one_thing(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path { path, .. }, Self::Path { path: other, .. }) => path == other,
            (Self::Unit { unit, .. }, Self::Unit { unit: other, .. }) => unit == other,
            (Self::User { name, .. }, Self::User { name: other, .. }) => name == other,
            // A command that was tried again is undone once.
            (Self::Command { .. }, Self::Command { .. }) => true,
            (Self::Once { key, .. }, Self::Once { key: other, .. }) => key == other,
            (Self::Group { name, .. }, Self::Group { name: other, .. }) => name == other,
            (Self::Package { name, .. }, Self::Package { name: other, .. })
            | (Self::Held { name, .. }, Self::Held { name: other, .. }) => name == other,
            (Self::Setting { setting, .. }, Self::Setting { setting: other, .. }) => {
                setting == other
            }
            _ => false,
        }
    }

    /// The BLAKE3 hash of the content that the change puts at a path, in hexadecimal digits; `None` of
    /// a secret.
    pub fn wrote(&self) -> Option<&str> {
        let Self::Path { wrote, left, .. } = self else {
            return None;
        };
        let hash = left.iter().rev().find_map(|left| match left {
            Lay::File { hash, .. } => Some(hash.as_str()),
            _ => None,
        });
        hash.or(wrote.as_deref())
    }

    /// Which thing it is, and whether that was there; `None` of what is no
    /// thing, and for whether a unit was there, which its file decides.
    pub fn thing(&self) -> Option<(Key, Option<bool>)> {
        Some(match self {
            Self::Path { path, was, .. } => (Key::Path(path.clone()), Some(*was != Lay::Absent)),
            Self::Package {
                name, installed, ..
            } => (Key::Package(name.clone()), Some(*installed)),
            Self::Held { name, .. } => (Key::Package(name.clone()), Some(true)),
            Self::Group { name, was, .. } => (Key::Group(name.clone()), Some(was.is_some())),
            Self::User { name, was, .. } => (Key::User(name.clone()), Some(was.is_some())),
            Self::Setting { setting, was, .. } => {
                (Key::Setting(setting.clone()), Some(was.is_some()))
            }
            Self::Unit { unit, .. } => (Key::Unit(unit.clone()), None),
            Self::Command { .. } | Self::Once { .. } | Self::Gone { .. } => return None,
        })
    }

    /// Takes from a later change of the same thing what it has made of it.
    pub(super) fn adopt(&mut self, later: Self) {
        match (self, later) {
            (
                Self::Path { wrote, left, .. },
                Self::Path {
                    wrote: last,
                    left: then,
                    ..
                },
            ) => {
                *wrote = last;
                leave(left, then);
            }
            (
                Self::Unit { again, left, .. },
                Self::Unit {
                    again: last,
                    left: then,
                    ..
                },
            ) => {
                *again = last.or(*again);
                *left = both(*left, then).map(|(left, then)| UnitLeft {
                    running: then.running.or(left.running),
                    enabled: then.enabled.or(left.enabled),
                    masked: then.masked.or(left.masked),
                });
            }
            (
                Self::User { password, left, .. },
                Self::User {
                    password: last,
                    left: then,
                    ..
                },
            ) => {
                *password |= last;
                *left = both(left.take(), then).map(|(left, then)| Box::new(left.and(*then)));
            }
            (Self::Group { left, .. }, Self::Group { left: then, .. }) => {
                *left = both(left.take(), then).map(|(left, then)| left.and(then));
            }
            (Self::Setting { left, .. }, Self::Setting { left: then, .. }) => *left = then,
            _ => {}
        }
    }

    /// As it is kept.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers")
    }

    /// As it was kept; what cannot be read was kept by a later hpt.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::Gone {
            why: "this hpt cannot read what was kept of it".to_owned(),
        })
    }
}

/// What two changes of one thing make of it, if that is known of both.
fn both<T>(left: Option<T>, then: Option<T>) -> Option<(T, T)> {
    left.zip(then)
}

/// How a running unit is told to take its files anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// By a restart.
    Restart,
    /// By a reload.
    Reload,
}

/// How an account is said to have no end.
pub(super) const NEVER: &str = "never";

/// A group as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupWas {
    /// Its number.
    pub gid: Option<u32>,
    /// Its members.
    pub members: Vec<UserName>,
}

/// A user as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWas {
    /// Its number.
    pub uid: Option<u32>,
    /// Its primary group.
    pub group: Option<GroupName>,
    /// GECOS.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Supplementary groups.
    pub groups: Vec<GroupName>,
    /// Whether the password was locked.
    pub locked: bool,
    /// Until when it could be used: a day, or "never"; `None` if that was not known.
    pub expires: Option<String>,
}

/// What a change makes of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupLeft {
    /// Whether it is removed.
    pub gone: bool,
    /// The number that it gets.
    pub gid: Option<u32>,
    /// Who joins.
    pub joined: Vec<UserName>,
}

impl GroupLeft {
    fn and(mut self, then: Self) -> Self {
        if then.gone || self.gone {
            return then;
        }
        self.joined.extend(then.joined);
        Self {
            gid: then.gid.or(self.gid),
            ..self
        }
    }
}

/// What a change makes of a user; `None` of what it leaves, or what the system picks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserLeft {
    /// Its number.
    pub uid: Option<u32>,
    /// Its primary group.
    pub group: Option<GroupName>,
    /// GECOS.
    pub comment: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Supplementary groups that it joins.
    pub joined: Vec<GroupName>,
    /// Supplementary groups that it leaves.
    pub parted: Vec<GroupName>,
    /// The host's own fingerprint of the password's hash.
    pub password: Option<String>,
    /// Whether the password is locked.
    pub locked: Option<bool>,
    /// Until when it can be used: a day, or "never".
    pub expires: Option<String>,
}

impl UserLeft {
    fn and(mut self, then: Self) -> Self {
        self.joined.retain(|group| !then.parted.contains(group));
        self.parted.retain(|group| !then.joined.contains(group));
        self.joined.extend(then.joined);
        self.parted.extend(then.parted);
        Self {
            uid: then.uid.or(self.uid),
            group: then.group.or(self.group),
            comment: then.comment.or(self.comment),
            home: then.home.or(self.home),
            shell: then.shell.or(self.shell),
            password: then.password.or(self.password),
            locked: then.locked.or(self.locked),
            expires: then.expires.or(self.expires),
            ..self
        }
    }
}

/// What a change makes of a unit; `None` of what it leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitLeft {
    /// Whether it runs.
    pub running: Option<bool>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// Whether nothing can start it.
    pub masked: Option<bool>,
}
