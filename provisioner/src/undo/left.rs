//! What a change leaves behind, foreseen before it is made; and whether a path still shows it.

use super::before::{GroupLeft, Lay, Rights, UserLeft};
use super::look::expiry;
use crate::effect::{Access, Effect, GroupEdit, UserEdit, UserShape};
use crate::host::setting::Setting;
use crate::host::{Entry, EntryKind, Hash, HostError, Observe, Owner};
use crate::name::{AbsPath, GroupName, Mode, UserName};

/// What will lie at the path of an effect; `None` if that is not known.
pub(super) fn of_path(
    effect: &Effect,
    entry: Option<&Entry>,
    host: &dyn Observe,
) -> Result<Option<Lay>, HostError> {
    let is_dir = |entry: &&Entry| entry.kind == EntryKind::Dir;
    let is_file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
    Ok(match effect {
        Effect::WriteFile(file) => {
            let born = if file.secret { 0o600 } else { 0o644 };
            let old = entry.filter(is_file);
            let mode = old.map_or(born, |old| old.mode.bits() & 0o777);
            let access = Rights::given(&file.access, old, mode, host)?;
            let hash = file.content.hash();
            Some(if file.secret {
                // No plain hash of a secret is kept (S1).
                let print = host.fingerprint(hash.as_bytes());
                Lay::Secret { print, access }
            } else {
                let (hash, size) = (hash.to_hex().to_string(), file.content.size());
                Lay::File {
                    hash,
                    size,
                    access,
                    attributes: Vec::new(),
                }
            })
        }
        Effect::MakeDir { access, .. } => {
            let old = entry.filter(is_dir);
            let mode = old.map_or(0o755, |old| old.mode.bits());
            let access = Rights::given(access, old, mode, host)?;
            Some(Lay::Dir { access })
        }
        Effect::Link { to, .. } => Some(Lay::Link { to: to.clone() }),
        Effect::SetAccess { access, .. } => match entry {
            None => Some(Lay::Absent),
            Some(old) => {
                let has = old.mode.bits();
                let was = Rights::of(old, host)?;
                let kept = Rights::given(access, Some(old), has, host)?;
                let moves = (was.uid, was.gid) != (kept.uid, kept.gid);
                // A file that changes hands loses its setuid bits unless they are asked for.
                let loses = moves && access.mode.is_none() && is_file(&old);
                let mode = if loses { has & 0o1777 } else { has };
                let access = Rights::given(access, Some(old), mode, host)?;
                Some(Lay::Rights { access })
            }
        },
        Effect::Remove { .. } => Some(Lay::Absent),
        Effect::Set {
            setting: Setting::Swap(_),
            value: Some(_),
        } if entry.is_none() => {
            let access = Rights::given(&Access::default(), None, 0o600, host)?;
            Some(Lay::Rights { access })
        }
        _ => None,
    })
}

pub(super) fn group_left(edit: &GroupEdit) -> GroupLeft {
    let mut left = GroupLeft::default();
    match edit {
        GroupEdit::Add { gid, .. } => left.gid = *gid,
        GroupEdit::SetGid { gid, .. } => left.gid = Some(*gid),
        GroupEdit::AddMembers { members, .. } => left.joined.clone_from(members),
        GroupEdit::Remove { .. } => left.gone = true,
    }
    left
}

pub(super) fn user_left(edit: &UserEdit, host: &dyn Observe) -> Option<UserLeft> {
    let (shape, is_new) = match edit {
        UserEdit::Add { as_, .. } => (as_, true),
        UserEdit::Modify { to, .. } => (to, false),
        UserEdit::Remove { .. } => return None,
    };
    let UserShape {
        uid,
        group,
        comment,
        home,
        shell,
        join,
        leave,
        password_hash,
        locked,
        expires,
    } = shape;
    let print = |hash: &crate::secret::Secret| host.fingerprint(hash.expose().as_bytes());
    Some(UserLeft {
        uid: *uid,
        group: group.clone(),
        comment: comment.clone(),
        home: home.as_ref().map(ToString::to_string),
        shell: shell.as_ref().map(ToString::to_string),
        joined: join.clone(),
        parted: leave.clone(),
        password: password_hash.as_ref().map(print),
        locked: locked.or(is_new.then_some(password_hash.is_none())),
        expires: expires.map(expiry),
    })
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
    fn given(
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
