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
            GroupEdit::Remove { name } => (name, None),
            GroupEdit::SetGid { name, gid } => {
                let mut group = self.known_group(name, base);
                group.gid = Some(*gid);
                (name, Some(group))
            }
            GroupEdit::AddMembers { name, members } => {
                for member in members {
                    let known = self.user(member).unwrap_or_else(|| base.user(member));
                    if let Some(mut user) = known {
                        user.groups.push(name.clone());
                        user.groups.sort();
                        user.groups.dedup();
                        self.users.insert(member.clone(), Some(user));
                    }
                }
                let mut group = self.known_group(name, base);
                group.members.extend(members.iter().cloned());
                group.members.sort();
                group.members.dedup();
                (name, Some(group))
            }
        };
        self.groups.insert(name.clone(), group);
    }

    /// A user is a member of just these of the groups that it is in, comes into or leaves.
    fn foresee_member(
        &mut self,
        user: &UserName,
        old: &[GroupName],
        now: &[GroupName],
        base: &Base<'_>,
    ) {
        for name in old.iter().chain(now) {
            let known = self.group(name).unwrap_or_else(|| base.group(name));
            let Some(mut group) = known else { continue };
            group.members.retain(|member| member != user);
            if now.contains(name) {
                group.members.push(user.clone());
                group.members.sort();
            }
            self.groups.insert(name.clone(), Some(group));
        }
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
                let user = base.reshape(user, as_);
                self.foresee_member(name, &[], &user.groups, base);
                self.users.insert(name.clone(), Some(user));
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
                    let groups = old.groups.clone();
                    let user = base.reshape(old, to);
                    self.foresee_member(name, &groups, &user.groups, base);
                    self.users.insert(name.clone(), Some(user));
                }
            }
            UserEdit::Remove { name, remove_home } => {
                let old = self.user(name).unwrap_or_else(|| base.user(name));
                if let Some(user) = &old {
                    self.foresee_member(name, &user.groups, &[], base);
                }
                self.users.insert(name.clone(), None);
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
