//! What an edit will have made of the users and groups of a host.

use super::foresee::Base;
use super::{Fate, Overlay};
use crate::effect::{Access, Effect, Expiry, GroupEdit, UserEdit, UserShape};
use crate::host::{EntryKind, Group, User};
use crate::name::{AbsPath, GroupName, Mode, UserName};

impl Overlay {
    /// Those among the users that are known here whose primary group this is.
    pub(crate) fn primary_users<'a>(
        &'a self,
        group: &'a GroupName,
        gid: Option<u32>,
    ) -> impl Iterator<Item = &'a UserName> {
        let is_primary = move |user: &User| {
            user.group.as_ref() == Some(group) || (gid.is_some() && user.gid == gid)
        };
        let known = self.users.iter();
        known.filter_map(move |(name, user)| user.as_ref().filter(|u| is_primary(u)).map(|_| name))
    }

    pub(super) fn foresee_group(&mut self, edit: &GroupEdit, base: &Base<'_>) {
        let (name, group) = match edit {
            GroupEdit::Add { name, gid, .. } => (
                name,
                Some(Group {
                    gid: *gid,
                    members: Vec::new(),
                }),
            ),
            GroupEdit::Remove { name } => {
                for member in self.known_group(name, base).members {
                    self.change_user(&member, base, |user| user.groups.retain(|g| g != name));
                }
                (name, None)
            }
            GroupEdit::SetGid { name, gid } => {
                let mut group = self.known_group(name, base);
                group.gid = Some(*gid);
                (name, Some(group))
            }
            GroupEdit::AddMembers { name, members } => {
                let mut group = self.known_group(name, base);
                group.members.extend(members.iter().cloned());
                group.members.sort();
                group.members.dedup();
                for member in members {
                    self.change_user(member, base, |user| {
                        user.groups.push(name.clone());
                        user.groups.sort();
                        user.groups.dedup();
                    });
                }
                (name, Some(group))
            }
        };
        self.groups.insert(name.clone(), group);
    }

    fn known_group(&self, name: &GroupName, base: &Base<'_>) -> Group {
        let absent = Group {
            gid: None,
            members: Vec::new(),
        };
        self.group(name)
            .unwrap_or_else(|| base.group(name))
            .unwrap_or(absent)
    }

    /// What is foreseen of a user who is there.
    fn change_user(&mut self, name: &UserName, base: &Base<'_>, change: impl FnOnce(&mut User)) {
        if let Some(mut user) = self.user(name).unwrap_or_else(|| base.user(name)) {
            change(&mut user);
            self.users.insert(name.clone(), Some(user));
        }
    }

    /// Who is in the groups that are there, once a user has left some and joined others.
    fn foresee_members(
        &mut self,
        name: &UserName,
        (left, joined): (&[GroupName], &[GroupName]),
        base: &Base<'_>,
    ) {
        for group_name in left.iter().chain(joined) {
            let seen = self.group(group_name);
            if let Some(mut group) = seen.unwrap_or_else(|| base.group(group_name)) {
                group.members.retain(|member| member != name);
                if joined.contains(group_name) {
                    group.members.push(name.clone());
                    group.members.sort();
                }
                self.groups.insert(group_name.clone(), Some(group));
            }
        }
    }

    pub(super) fn foresee_user(&mut self, edit: &UserEdit, base: &Base<'_>) {
        match edit {
            UserEdit::Add {
                name,
                as_,
                create_home,
                ..
            } => {
                let own =
                    GroupName::parse(name.as_str()).expect("user and group names have one rule");
                let group = as_.group.clone().unwrap_or_else(|| own.clone());
                if as_.group.is_none() {
                    self.groups.insert(
                        own,
                        Some(Group {
                            gid: None,
                            members: Vec::new(),
                        }),
                    );
                }
                let home = as_
                    .home
                    .as_ref()
                    .map_or_else(|| format!("/home/{name}"), ToString::to_string);
                let user = User {
                    uid: as_.uid,
                    gid: self.known_group(&group, base).gid,
                    group: Some(group.clone()),
                    comment: String::new(),
                    home: home.clone(),
                    shell: String::new(),
                    groups: Vec::new(),
                    password: None,
                    locked: true,
                    expires: Some(Expiry::Never),
                };
                self.users
                    .insert(name.clone(), Some(base.reshape(user, as_)));
                self.foresee_members(name, (&[], &as_.join), base);
                if *create_home && let Ok(path) = AbsPath::parse(&home) {
                    let access = Access {
                        owner: Some(name.clone()),
                        group: Some(group),
                        mode: None,
                    };
                    if matches!(
                        self.path(&path).or_else(|| base.path(&path)),
                        Some(Fate::Is(None)) | None
                    ) {
                        let entry = self.with_access(
                            &path,
                            EntryKind::Dir,
                            &access,
                            Mode::new(0o755),
                            base,
                        );
                        self.paths.insert(path, Some(entry));
                    }
                }
            }
            UserEdit::Modify { name, to } => {
                let old = self.user(name).unwrap_or_else(|| base.user(name));
                if let Some(old) = old {
                    self.users.insert(name.clone(), Some(base.reshape(old, to)));
                    self.foresee_members(name, (&to.leave, &to.join), base);
                }
            }
            UserEdit::Remove { name, remove_home } => {
                let old = self.user(name).unwrap_or_else(|| base.user(name));
                self.users.insert(name.clone(), None);
                let left = old.as_ref().map_or(&[][..], |user| &user.groups);
                self.foresee_members(name, (left, &[]), base);
                if let Ok(own) = GroupName::parse(name.as_str())
                    && old.as_ref().is_some_and(|u| u.group.as_ref() == Some(&own))
                {
                    self.groups.insert(own, None); // userdel removes the user's own group
                }
                if *remove_home && let Some(path) = old.and_then(|u| AbsPath::parse(&u.home).ok()) {
                    self.foresee(
                        &Effect::Remove {
                            path,
                            recursive: true,
                        },
                        name.as_str(),
                        base,
                    );
                }
            }
        }
    }
}

impl Base<'_> {
    fn reshape(&self, mut user: User, to: &UserShape) -> User {
        user.uid = to.uid.or(user.uid);
        if let Some(group) = &to.group {
            user.gid = self.group(group).and_then(|g| g.gid);
            user.group = Some(group.clone());
        }
        if let Some(comment) = &to.comment {
            user.comment.clone_from(comment);
        }
        if let Some(home) = &to.home {
            user.home = home.to_string();
        }
        if let Some(shell) = &to.shell {
            user.shell = shell.to_string();
        }
        user.groups.extend(to.join.iter().cloned());
        user.groups.retain(|g| !to.leave.contains(g));
        user.groups.sort();
        user.groups.dedup();
        if let Some(hash) = &to.password_hash {
            let bytes = hash.expose().as_bytes();
            user.password = Some(
                self.0
                    .map_or_else(|| fingerprint(bytes), |host| host.fingerprint(bytes)),
            );
        }
        user.locked = to
            .locked
            .unwrap_or(user.locked && to.password_hash.is_none());
        user.expires = to.expires.or(user.expires);
        user
    }
}

/// The fingerprint that a host in memory makes; its key is no secret.
pub(in crate::host) fn fingerprint(secret: &[u8]) -> String {
    blake3::keyed_hash(&[7; 32], secret).to_hex()[..8].to_owned()
}
