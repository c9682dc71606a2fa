//! What a view shows of users and groups.

use super::View;
use crate::host::overlay::Fate;
use crate::host::{Group, HostError, Key, User};
use crate::name::{AbsPath, GroupName, UserName};

impl View<'_> {
    /// A user by name. A pending installation may bring one who is absent: finding the account
    /// already made when a block makes it is doing less, so that it stays absent here.
    ///
    /// # Errors
    /// Those of the host.
    pub fn user(&self, name: &UserName) -> Result<Fate<Option<User>>, HostError> {
        if let Some(seen) = self.overlay.user(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.user(name)?;
        self.record(Key::User(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// Whether a user is there whom a block relies on and does not make itself.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_user(&self, name: &UserName) -> Result<Fate<bool>, HostError> {
        Ok(self.unless_pending(self.user(name)?, &Key::User(name.clone())))
    }

    /// A group by name; absent as a user is.
    ///
    /// # Errors
    /// Those of the host.
    pub fn group(&self, name: &GroupName) -> Result<Fate<Option<Group>>, HostError> {
        if let Some(seen) = self.overlay.group(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.group(name)?;
        self.record(Key::Group(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// Whether a group is there that a block relies on and does not make itself.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_group(&self, name: &GroupName) -> Result<Fate<bool>, HostError> {
        Ok(self.unless_pending(self.group(name)?, &Key::Group(name.clone())))
    }

    /// The name of the user with a number, so that no other gets it.
    ///
    /// # Errors
    /// Those of the host.
    pub fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError> {
        if let Some(name) = self.overlay.user_numbered(uid) {
            return Ok(Some(name));
        }
        let seen = self.base.user_numbered(uid)?;
        self.record(Key::UserNumber(uid), &seen);
        // What is foreseen of that user is that they go, or get another number.
        Ok(seen.filter(|name| self.overlay.user(name).is_none()))
    }

    /// The name of the group with a number, on which a block relies.
    ///
    /// # Errors
    /// Those of the host.
    pub fn group_numbered(&self, gid: u32) -> Result<Fate<Option<GroupName>>, HostError> {
        if let Some(name) = self.overlay.group_numbered(gid) {
            return Ok(Fate::Is(Some(name)));
        }
        let seen = self.base.group_numbered(gid)?;
        self.record(Key::GroupNumber(gid), &seen);
        // What is foreseen of that group is that it goes, or gets another number.
        let seen = seen.filter(|name| self.overlay.group(name).is_none());
        Ok(match (seen, self.pending_install()) {
            (None, Some(cause)) => Fate::Unknown(cause),
            (seen, _) => Fate::Is(seen),
        })
    }

    /// A user whose primary group this is, if there is one.
    ///
    /// # Errors
    /// Those of the host.
    pub fn primary_user(&self, name: &GroupName) -> Result<Option<UserName>, HostError> {
        let gid = match self.group(name)? {
            Fate::Is(Some(group)) => group.gid,
            _ => None,
        };
        if let Some(user) = self.overlay.primary_users(name, gid).min() {
            return Ok(Some(user.clone()));
        }
        let seen = self.base.primary_users(name)?;
        self.record(Key::PrimaryUsers(name.clone()), &seen);
        // What is foreseen of a user is known already.
        let mut unchanged = seen
            .into_iter()
            .filter(|user| self.overlay.user(user).is_none());
        Ok(unchanged.next())
    }

    /// The home directory of a user, if there is that user and a plain one.
    ///
    /// # Errors
    /// Those of the host.
    pub fn home(&self, user: &UserName) -> Result<Option<AbsPath>, HostError> {
        Ok(match self.user(user)? {
            Fate::Is(Some(user)) => AbsPath::parse(&user.home).ok(),
            _ => None,
        })
    }
}
