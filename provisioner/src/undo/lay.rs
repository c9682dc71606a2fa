//! What lay at a path: in values that can be kept, and held against a host.

use serde::{Deserialize, Serialize};

use crate::effect::Access;
use crate::host::{Entry, EntryKind, Hash, HostError, Observe, Owner};
use crate::name::{AbsPath, GroupName, Mode, UserName};

/// What lay at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Lay {
    /// Nothing.
    Absent,
    /// Nothing; the home of a new user is made there, with what new homes hold.
    Home,
    /// A file whose content was kept.
    File {
        /// BLAKE3 of its content, in hexadecimal digits.
        hash: String,
        /// Its length in bytes.
        size: u64,
        /// Who could do what with it.
        access: Rights,
        /// The names of its extended attributes, whose values were not kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attributes: Vec<String>,
    },
    /// A file that holds a secret.
    Secret {
        /// The host's own fingerprint of its content's hash.
        print: String,
        /// Who could do what with it.
        access: Rights,
    },
    /// A directory without anything in it.
    Dir {
        /// Who could do what with it.
        access: Rights,
    },
    /// What stays, with these rights.
    Rights {
        /// Who could do what with it.
        access: Rights,
    },
    /// A symbolic link.
    Link {
        /// Where it pointed.
        to: String,
    },
    /// Something that was not kept, and why.
    Lost {
        /// The words: "it held other files".
        why: String,
    },
}

/// Owner, group and mode by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// Permission bits, as "0644".
    pub mode: String,
}

impl Lay {
    /// Whether this is what lies at a path.
    pub(super) fn shows(&self, path: &AbsPath, host: &dyn Observe) -> Result<bool, HostError> {
        let Some(entry) = host.path(path)? else {
            return Ok(matches!(self, Self::Absent | Self::Home));
        };
        let has = |access: &Rights| access.shows(&entry, host);
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        Ok(match self {
            Self::Absent | Self::Home | Self::Lost { .. } => false,
            Self::Link { to } => entry.kind == EntryKind::Symlink(to.clone()),
            Self::Rights { access } => has(access)?,
            Self::Dir { access } => entry.kind == EntryKind::Dir && has(access)?,
            Self::File { access, size, .. } => {
                entry.kind == EntryKind::File { size: *size }
                    && has(access)?
                    && self.holds(path, host)?
            }
            Self::Secret { access, .. } => is_file && has(access)? && self.holds(path, host)?,
        })
    }

    /// Whether a path holds this content, whoever may do what with it. Of what is neither a file nor a
    /// link nothing is asked.
    pub(crate) fn holds(&self, path: &AbsPath, host: &dyn Observe) -> Result<bool, HostError> {
        let is_same = |is: &dyn Fn(&Hash) -> bool| Ok(host.hash(path)?.is_some_and(|now| is(&now)));
        match self {
            Self::File { hash, .. } => is_same(&|now| now.to_hex().as_str() == hash),
            Self::Secret { print, .. } => {
                is_same(&|now| host.fingerprint(now.as_bytes()) == *print)
            }
            Self::Link { to } => {
                let entry = host.path(path)?;
                Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Symlink(to.clone())))
            }
            _ => Ok(true),
        }
    }

    /// Whether this is what lies at a path once `then` was put back there.
    pub(super) fn shows_after(
        &self,
        then: &Self,
        path: &AbsPath,
        host: &dyn Observe,
    ) -> Result<bool, HostError> {
        Ok(match (self, then) {
            (_, Self::Lost { .. } | Self::Home) => true,
            (
                Self::File { access, .. } | Self::Secret { access, .. },
                Self::Rights { access: put },
            ) => {
                // The rights will be as they were; what it holds is what it holds now.
                access == put && self.holds(path, host)?
            }
            (Self::Dir { access } | Self::Rights { access }, Self::Rights { access: put })
            | (
                Self::Rights { access },
                Self::File { access: put, .. } | Self::Dir { access: put },
            ) => access == put,
            (mine, then) => mine == then,
        })
    }

    /// The same with these rights.
    fn with(&self, access: &Rights) -> Self {
        let access = access.clone();
        match self.clone() {
            Self::File {
                hash,
                size,
                attributes,
                ..
            } => Self::File {
                hash,
                size,
                access,
                attributes,
            },
            Self::Secret { print, .. } => Self::Secret { print, access },
            Self::Dir { .. } => Self::Dir { access },
            Self::Rights { .. } => Self::Rights { access },
            other @ (Self::Absent | Self::Home | Self::Link { .. } | Self::Lost { .. }) => other,
        }
    }
}

/// What lies at a path after one more change.
pub(super) fn leave(left: &mut Vec<Lay>, then: Vec<Lay>) {
    if left.is_empty() || then.is_empty() {
        left.clear();
        return;
    }
    for lay in then {
        let lay = match (&lay, left.last()) {
            (Lay::Rights { access }, Some(last)) => last.with(access),
            _ => lay,
        };
        left.push(lay);
    }
}

impl Rights {
    pub(super) fn of(entry: &Entry, host: &dyn Observe) -> Result<Self, HostError> {
        let uid = match &entry.owner {
            Owner::Id(id) => *id,
            Owner::Named(name) => uid_of(name, host)?,
        };
        let gid = match &entry.group {
            Owner::Id(id) => *id,
            Owner::Named(name) => gid_of(name, host)?,
        };
        let mode = entry.mode.to_string();
        Ok(Self { uid, gid, mode })
    }

    /// What an entry has once this access is given to it, or to a new one in its place.
    pub(super) fn given(
        access: &Access,
        old: Option<&Entry>,
        mode: u32,
        host: &dyn Observe,
    ) -> Result<Self, HostError> {
        let old = old.map(|old| Self::of(old, host)).transpose()?;
        let uid = access.owner.as_ref().map(|name| uid_of(name, host));
        let gid = access.group.as_ref().map(|name| gid_of(name, host));
        let (uid, gid) = (uid.transpose()?, gid.transpose()?);
        let has = |of: fn(&Self) -> u32| old.as_ref().map_or(0, of);
        Ok(Self {
            uid: uid.unwrap_or_else(|| has(|old| old.uid)),
            gid: gid.unwrap_or_else(|| has(|old| old.gid)),
            mode: access.mode.unwrap_or(Mode::new(mode)).to_string(),
        })
    }

    /// Whether an entry has them. Who cannot give files away cannot tell whose they were to be.
    fn shows(&self, entry: &Entry, host: &dyn Observe) -> Result<bool, HostError> {
        let now = Self::of(entry, host)?;
        let is_owned = !host.powers().chown || (now.uid, now.gid) == (self.uid, self.gid);
        Ok(is_owned && now.mode == self.mode)
    }
}

/// Of an account that has no number: what gives something to it fails, but on a model of a host.
const NOBODY: u32 = u32::MAX;

fn uid_of(name: &UserName, host: &dyn Observe) -> Result<u32, HostError> {
    let user = host.user(name)?;
    Ok(user.and_then(|user| user.uid).unwrap_or(NOBODY))
}

fn gid_of(name: &GroupName, host: &dyn Observe) -> Result<u32, HostError> {
    let group = host.group(name)?;
    Ok(group.and_then(|group| group.gid).unwrap_or(NOBODY))
}
