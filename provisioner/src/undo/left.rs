//! What a change leaves behind, foreseen before it is made.

use super::before::{GroupLeft, UserLeft};
use super::lay::{Lay, Rights};
use super::look::expiry;
use crate::effect::{Access, Effect, GroupEdit, UserEdit, UserShape};
use crate::host::setting::Setting;
use crate::host::{Entry, EntryKind, HostError, Observe};

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
