//! Whose a systemd unit is: the host's, or one of a user's own.

use std::fmt;

use serde::Deserialize;

use super::{BadName, UnitName, UserName, deserialize};

/// Whose systemd runs a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitScope {
    /// The host's own.
    #[default]
    System,
    /// A user's, as `systemctl --user` has it.
    User(UserName),
}

impl UnitScope {
    /// Reads `system` or `user:NAME`.
    ///
    /// # Errors
    /// If it is neither, or no user is called so.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        const RULE: BadName = BadName(
            "`scope` is \"system\" or \"user:NAME\", a user's login name such as \"user:ana\"",
        );
        if text == "system" {
            return Ok(Self::System);
        }
        let name = text.strip_prefix("user:").ok_or(RULE)?;
        UserName::parse(name).map(Self::User).map_err(|_| RULE)
    }
}

impl<'de> Deserialize<'de> for UnitScope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, Self::parse)
    }
}

/// A unit of a host: its name alone says not which, since each user may have an `app.service`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId {
    /// Whose it is.
    pub scope: UnitScope,
    /// Its name there.
    pub name: UnitName,
}

impl UnitId {
    /// The manager of a user's units, which is itself a unit of the host.
    pub fn manager(uid: u32) -> Self {
        let name = UnitName::parse(&format!("user@{uid}.service")).expect("a plain name");
        name.into()
    }
}

impl From<UnitName> for UnitId {
    /// The host's own unit of that name.
    fn from(name: UnitName) -> Self {
        let scope = UnitScope::System;
        Self { scope, name }
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            UnitScope::System => self.name.fmt(f),
            UnitScope::User(user) => write!(f, "{} of {user}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_the_system_or_one_user() {
        assert_eq!(UnitScope::parse("system"), Ok(UnitScope::System));
        let ana = UserName::parse("ana").unwrap();
        assert_eq!(UnitScope::parse("user:ana"), Ok(UnitScope::User(ana)));
        for bad in [
            "",
            "user",
            "user:",
            "user:Ana",
            "user:a b",
            "user:../x",
            "User:ana",
            "ana",
            "global",
            "user:user:ana",
            "system ",
            "user:ana\n",
        ] {
            assert!(UnitScope::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_name_is_a_unit_of_each() {
        let name = UnitName::service("app").unwrap();
        let system = UnitId::from(name.clone());
        let scope = UnitScope::parse("user:ana").unwrap();
        let users = UnitId { scope, name };
        assert_ne!(system, users);
        assert_eq!(system.to_string(), "app.service");
        assert_eq!(users.to_string(), "app.service of ana");
        assert_eq!(UnitId::manager(1000).to_string(), "user@1000.service");
    }
}
