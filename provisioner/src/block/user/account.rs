//! A user's account: how one is made, and what of one that is there is not as asked for.

use crate::block::user::User;
use crate::effect::{Expiry, UserEdit, UserShape};
use crate::host::overlay::Fate;
use crate::host::{HostError, User as Seen};
use crate::name::GroupName;
use crate::view::View;

impl User {
    /// The edit that makes it.
    pub(super) fn creation(
        &self,
        primary: Option<&GroupName>,
        view: &View<'_>,
    ) -> Result<UserEdit, HostError> {
        // A group of the user's own name may be there already; useradd would refuse to make it.
        let own = self.own_group();
        let there = matches!(view.group(&own)?, Fate::Is(Some(_)));
        let group = primary.cloned().or(there.then_some(own));
        Ok(UserEdit::Add {
            name: self.name.clone(),
            system: self.system,
            create_home: self.creates_home(),
            as_: UserShape {
                uid: self.uid,
                group,
                comment: self.comment.clone(),
                home: self.home.clone(),
                shell: self.shell.clone(),
                join: self.groups.clone(),
                leave: Vec::new(),
                password_hash: self.password_hash.clone(),
                locked: self.locked,
                expires: self.expires,
            },
        })
    }

    /// What it will be, in words.
    pub(super) fn creation_words(&self) -> Vec<String> {
        let groups: Vec<_> = self.groups.iter().map(GroupName::as_str).collect();
        let words = [
            self.uid.map(|uid| format!("uid {uid}")),
            self.home.as_ref().map(ToString::to_string),
            self.shell.as_ref().map(ToString::to_string),
            (!groups.is_empty()).then(|| format!("groups {}", groups.join(" "))),
        ];
        words.into_iter().flatten().collect()
    }

    /// What of the account is not as asked for, and in words.
    pub(super) fn difference(
        &self,
        user: &Seen,
        primary: Option<&GroupName>,
        view: &View<'_>,
    ) -> Result<(UserShape, Vec<String>), HostError> {
        let mut shape = UserShape::default();
        let mut words = Vec::new();
        if let Some(uid) = self.uid
            && user.uid != Some(uid)
        {
            let was = user.uid.map_or_else(|| "?".to_owned(), |u| u.to_string());
            words.push(format!("uid {was} -> {uid}"));
            shape.uid = Some(uid);
        }
        if let Some(group) = primary {
            let gid = match view.group(group)? {
                Fate::Is(Some(group)) => group.gid,
                _ => None,
            };
            let same = user.group.as_ref() == Some(group) || (gid.is_some() && gid == user.gid);
            if !same {
                words.push(format!("group {group}"));
                shape.group = Some(group.clone());
            }
        }
        if let Some(comment) = self.comment.as_ref().filter(|c| **c != user.comment) {
            words.push("comment".to_owned());
            shape.comment = Some(comment.clone());
        }
        if let Some(home) = self.home.as_ref().filter(|h| h.to_string() != user.home) {
            words.push(format!("home {} -> {home}", user.home));
            shape.home = Some(home.clone());
        }
        if let Some(shell) = self.shell.as_ref().filter(|s| s.to_string() != user.shell) {
            words.push(format!("shell {} -> {shell}", user.shell));
            shape.shell = Some(shell.clone());
        }
        shape.join = self
            .groups
            .iter()
            .filter(|g| !user.groups.contains(g))
            .cloned()
            .collect();
        if !shape.join.is_empty() {
            let names: Vec<_> = shape.join.iter().map(GroupName::as_str).collect();
            words.push(format!("joins {}", names.join(" ")));
        }
        if self.groups_exclusive {
            shape.leave = user
                .groups
                .iter()
                .filter(|g| !self.groups.contains(g))
                .cloned()
                .collect();
            if !shape.leave.is_empty() {
                let names: Vec<_> = shape.leave.iter().map(GroupName::as_str).collect();
                words.push(format!("leaves {}", names.join(" ")));
            }
        }
        if let Some(hash) = &self.password_hash
            && user.password.as_ref() != Some(&view.fingerprint(hash.expose().as_bytes()))
        {
            words.push("password".to_owned());
            shape.password_hash = Some(hash.clone());
        }
        if let Some(locked) = self.locked.filter(|locked| *locked != user.locked) {
            words.push(if locked { "locked" } else { "unlocked" }.to_owned());
            shape.locked = Some(locked);
        }
        if let Some(end) = self.expires.filter(|end| Some(*end) != user.expires) {
            words.push(match end {
                Expiry::Never => "expires never".to_owned(),
                Expiry::On(day) => format!("expires {day}"),
            });
            shape.expires = Some(end);
        }
        Ok((shape, words))
    }
}
