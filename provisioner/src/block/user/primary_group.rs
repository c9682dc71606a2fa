//! A user's primary group, by its name or by its number.

use serde::Deserialize;

use crate::block::Decision;
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::GroupName;
use crate::number;
use crate::view::View;

/// What a config says of it: `group = "web"`, or `gid = 1000`.
pub(super) enum PrimaryGroup {
    Name(GroupName),
    Number(u32),
}

impl PrimaryGroup {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Name(name) => Key::Group(name.clone()),
            Self::Number(gid) => Key::GroupNumber(*gid),
        }
    }

    /// Its name on this host, or what the block comes to without it.
    pub(super) fn find(&self, view: &View<'_>) -> Result<Result<GroupName, Decision>, HostError> {
        let found = match self {
            Self::Name(name) => match view.has_group(name)? {
                Fate::Is(true) => Fate::Is(Some(name.clone())),
                Fate::Is(false) => Fate::Is(None),
                Fate::Unknown(cause) => Fate::Unknown(cause),
            },
            Self::Number(gid) => view.group_numbered(*gid)?,
        };
        Ok(match (found, self) {
            (Fate::Is(Some(name)), _) => Ok(name),
            (Fate::Is(None), Self::Name(name)) => Err(Decision::without_group(name)),
            (Fate::Is(None), Self::Number(gid)) => Err(Decision::Blocked(format!(
                "no group has the number {gid}; make it with a [[group]] block with `gid = {gid}` before this one"
            ))),
            (Fate::Unknown(cause), _) => Err(Decision::Maybe(cause)),
        })
    }
}

impl<'de> Deserialize<'de> for PrimaryGroup {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let numbered = |number| match u32::try_from(number) {
            Ok(gid) => Ok(Self::Number(gid)),
            Err(_) => Err(format!(
                "invalid value: integer `{number}`, expected the number of a group"
            )),
        };
        number::or_text(d, "a string or a number", numbered, |text| {
            if let Ok(gid) = text.parse() {
                return Ok(Self::Number(gid));
            }
            let name = GroupName::parse(text);
            name.map(Self::Name).map_err(|why| why.to_string())
        })
    }
}
