//! The changes that make a group or a user again what it was.

use super::before::NEVER;
use super::reverse::{Irreversible, lost};
use super::{GroupWas, UserWas};
use crate::effect::{Effect, Expiry, GroupEdit, UserEdit, UserShape};
use crate::host::Observe;
use crate::name::{AbsPath, Day, GroupName, UserName};

pub(super) fn group(
    name: &GroupName,
    was: Option<&GroupWas>,
    host: &dyn Observe,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.group(name)?;
    let (was, now) = match (was, now) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(_)) => {
            let name = name.clone();
            return Ok(vec![Effect::Group(GroupEdit::Remove { name })]);
        }
        (Some(was), None) => {
            let add = GroupEdit::Add {
                name: name.clone(),
                gid: was.gid,
                system: false,
            };
            let members = GroupEdit::AddMembers {
                name: name.clone(),
                members: was.members.clone(),
            };
            let edits = [Some(add), (!was.members.is_empty()).then_some(members)];
            return Ok(edits.into_iter().flatten().map(Effect::Group).collect());
        }
        (Some(was), Some(now)) => (was, now),
    };
    let mut effects = Vec::new();
    if let Some(gid) = was.gid.filter(|gid| now.gid != Some(*gid)) {
        let name = name.clone();
        effects.push(Effect::Group(GroupEdit::SetGid { name, gid }));
    }
    for member in now
        .members
        .iter()
        .filter(|member| !was.members.contains(member))
    {
        let to = UserShape {
            leave: vec![name.clone()],
            ..UserShape::default()
        };
        let name = member.clone();
        effects.push(Effect::User(UserEdit::Modify { name, to }));
    }
    Ok(effects)
}

pub(super) fn user(
    name: &UserName,
    was: &UserWas,
    host: &dyn Observe,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.user(name)?;
    let now = now.ok_or_else(|| lost(format!("{name} is gone")))?;
    let path = |text: &str, what: &str| {
        AbsPath::parse(text).map_err(|_| lost(format!("{name} had no {what} that can be set")))
    };
    let expires = match was.expires.as_deref() {
        None => None,
        Some(NEVER) => Some(Expiry::Never),
        Some(day) => Day::parse(day).ok().map(Expiry::On),
    };
    let to = UserShape {
        uid: was.uid.filter(|uid| now.uid != Some(*uid)),
        group: (was.group != now.group)
            .then(|| was.group.clone())
            .flatten(),
        comment: (was.comment != now.comment).then(|| was.comment.clone()),
        home: (was.home != now.home)
            .then(|| path(&was.home, "home"))
            .transpose()?,
        shell: (was.shell != now.shell)
            .then(|| path(&was.shell, "shell"))
            .transpose()?,
        join: but_not(&was.groups, &now.groups),
        leave: but_not(&now.groups, &was.groups),
        locked: (was.locked != now.locked).then_some(was.locked),
        expires: expires.filter(|expires| now.expires != Some(*expires)),
        password_hash: None,
    };
    Ok(vec![Effect::User(UserEdit::Modify {
        name: name.clone(),
        to,
    })])
}

fn but_not(groups: &[GroupName], others: &[GroupName]) -> Vec<GroupName> {
    groups
        .iter()
        .filter(|group| !others.contains(group))
        .cloned()
        .collect()
}
