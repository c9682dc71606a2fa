//! The changes that make a group or a user again what it was. Only what the run has made of it is
//! undone, and only as long as that is so.

use super::before::NEVER;
use super::look::expiry;
use super::paths::{holds_no_more, skeleton};
use super::reverse::{Around, Irreversible, lost};
use super::{GroupLeft, GroupWas, UserLeft, UserWas};
use crate::effect::{Effect, Expiry, GroupEdit, UserEdit, UserShape};
use crate::host::{Observe, User};
use crate::name::{AbsPath, Day, GroupName, UserName};

pub(super) fn group(
    name: &GroupName,
    was: Option<&GroupWas>,
    left: Option<&GroupLeft>,
    host: &dyn Observe,
    around: &Around,
) -> Result<Vec<Effect>, Irreversible> {
    let changed = || Irreversible::Changed(format!("the group {name}"));
    let now = host.group(name)?;
    // It goes with a user of its name.
    let goes_along = UserName::parse(name.as_str()).is_ok_and(|user| around.is_own_user(&user));
    let (was, now) = match (was, now) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(now)) => {
            let is_ours = |user: &UserName| around.has_joined(user, name);
            if let Some(left) = left {
                let is_numbered = left.gid.is_none() || left.gid == now.gid;
                let mut primary = host.primary_users(name)?.into_iter();
                let is_used = primary.any(|user| !around.gone.contains(&user));
                if is_used || !is_numbered || !now.members.iter().all(is_ours) {
                    return Err(changed());
                }
            }
            let name = name.clone();
            return Ok(vec![Effect::Group(GroupEdit::Remove { name })]);
        }
        (Some(_), None) if left.is_some_and(|left| !left.gone) && !goes_along => {
            return Err(changed());
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
    if left.is_some_and(|left| left.gone) {
        let is_same = (was.gid, &was.members) == (now.gid, &now.members);
        return if is_same {
            Ok(Vec::new())
        } else {
            Err(changed())
        };
    }
    let mut effects = Vec::new();
    if let Some(gid) = was.gid.filter(|gid| now.gid != Some(*gid)) {
        match left {
            Some(left) if left.gid.is_none() => {} // somebody else's doing
            Some(left) if left.gid != now.gid => return Err(changed()),
            _ => {
                let name = name.clone();
                effects.push(Effect::Group(GroupEdit::SetGid { name, gid }));
            }
        }
    }
    let has_joined = |user: &UserName| left.is_none_or(|left| left.joined.contains(user));
    for member in now
        .members
        .iter()
        .filter(|member| !was.members.contains(member) && has_joined(member))
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
    was: Option<&UserWas>,
    left: Option<&UserLeft>,
    host: &dyn Observe,
    around: &Around,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.user(name)?;
    let (was, now) = match (was, now) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(now)) => {
            // A group of its name goes with it.
            let own = GroupName::parse(name.as_str()).ok();
            let own = own.map(|own| Ok::<_, Irreversible>((host.group(&own)?, own)));
            let is_own = own.transpose()?.is_none_or(|(now, own)| {
                let is_ours = |member: &UserName| member == name || around.has_joined(member, &own);
                now.is_none_or(|now| now.members.iter().all(is_ours))
            });
            if left.is_some_and(|left| !is_own || !is_as_made(name, &now, left, around)) {
                return Err(Irreversible::Changed(format!("the user {name}")));
            }
            let home = AbsPath::parse(&now.home).ok();
            let home = home.filter(|home| around.has_made_home(home));
            if let Some(home) = home
                && host.path(&home)?.is_some()
                && !holds_no_more(&home, &skeleton(), host, around)?
            {
                return Err(lost(format!("{name} stays with what is in {home}")));
            }
            return Ok(vec![Effect::User(UserEdit::Remove {
                name: name.clone(),
                remove_home: false,
            })]);
        }
        (Some(_), None) => return Err(lost(format!("{name} is gone"))),
        (Some(was), Some(now)) => (was, now),
    };
    let to = match left {
        Some(left) => changes(name, was, left, &now)?,
        None => differences(name, was, &now)?,
    };
    let is_nothing = to.uid.is_none()
        && to.group.is_none()
        && to.comment.is_none()
        && to.home.is_none()
        && to.shell.is_none()
        && to.join.is_empty()
        && to.leave.is_empty()
        && to.locked.is_none()
        && to.expires.is_none();
    let name = name.clone();
    let modify = (!is_nothing).then_some(Effect::User(UserEdit::Modify { name, to }));
    Ok(modify.into_iter().collect())
}

/// Whether a user that the run has made is what it made.
fn is_as_made(name: &UserName, now: &User, left: &UserLeft, around: &Around) -> bool {
    fn is<T: PartialEq>(left: Option<&T>, now: Option<&T>) -> bool {
        left.is_none_or(|left| now == Some(left))
    }
    let expires = now.expires.map(expiry);
    let is_ours = |group: &GroupName| left.joined.contains(group) || around.has_joined(name, group);
    is(left.uid.as_ref(), now.uid.as_ref())
        && is(left.group.as_ref(), now.group.as_ref())
        && is(left.comment.as_ref(), Some(&now.comment))
        && is(left.home.as_ref(), Some(&now.home))
        && is(left.shell.as_ref(), Some(&now.shell))
        && is(left.locked.as_ref(), Some(&now.locked))
        && (now.password.is_none() || is(left.password.as_ref(), now.password.as_ref()))
        && (expires.is_none() || is(left.expires.as_ref(), expires.as_ref()))
        && now.groups.iter().all(is_ours)
}

/// What of a user goes back: what the run has changed, and nobody since.
fn changes(
    name: &UserName,
    was: &UserWas,
    left: &UserLeft,
    now: &User,
) -> Result<UserShape, Irreversible> {
    let changed = |what: &str| Irreversible::Changed(format!("the {what} of {name}"));
    let back = |is_made: bool, is_left: bool, is_back: bool, what: &str| {
        if !is_made || is_back {
            Ok(false)
        } else if is_left {
            Ok(true)
        } else {
            Err(changed(what))
        }
    };
    let expires = now.expires.map(expiry);
    let uid = back(
        left.uid.is_some(),
        left.uid == now.uid,
        was.uid == now.uid,
        "number",
    )?;
    let group = back(
        left.group.is_some(),
        left.group == now.group,
        was.group == now.group,
        "group",
    )?;
    let text = |left: &Option<String>, was: &str, now: &str, what: &str| {
        back(
            left.is_some(),
            left.as_deref() == Some(now),
            was == now,
            what,
        )
    };
    let comment = text(&left.comment, &was.comment, &now.comment, "comment")?;
    let home = text(&left.home, &was.home, &now.home, "home")?;
    let shell = text(&left.shell, &was.shell, &now.shell, "shell")?;
    let locked = left.locked.is_some() && was.locked != now.locked;
    let ends = back(
        left.expires.is_some(),
        left.expires == expires,
        was.expires == expires,
        "end",
    )?;
    let all = differences(name, was, now)?;
    let keep = |groups: Vec<GroupName>, ours: &[GroupName]| {
        let groups = groups.into_iter();
        groups.filter(|group| ours.contains(group)).collect()
    };
    Ok(UserShape {
        uid: all.uid.filter(|_| uid),
        group: all.group.filter(|_| group),
        comment: all.comment.filter(|_| comment),
        home: all.home.filter(|_| home),
        shell: all.shell.filter(|_| shell),
        join: keep(all.join, &left.parted),
        leave: keep(all.leave, &left.joined),
        locked: all.locked.filter(|_| locked),
        expires: all.expires.filter(|_| ends),
        password_hash: None,
    })
}

/// All in which a user differs from what it was.
fn differences(name: &UserName, was: &UserWas, now: &User) -> Result<UserShape, Irreversible> {
    let path = |text: &str, what: &str| {
        AbsPath::parse(text).map_err(|_| lost(format!("{name} had no {what} that can be set")))
    };
    let expires = match was.expires.as_deref() {
        None => None,
        Some(NEVER) => Some(Expiry::Never),
        Some(day) => Day::parse(day).ok().map(Expiry::On),
    };
    Ok(UserShape {
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
    })
}

fn but_not(groups: &[GroupName], others: &[GroupName]) -> Vec<GroupName> {
    groups
        .iter()
        .filter(|group| !others.contains(group))
        .cloned()
        .collect()
}
