//! A user's primary group, by its name or by its number.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, Unexpected, Visitor};

use crate::block::Decision;
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::GroupName;
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
        struct NameOrNumber;
        impl Visitor<'_> for NameOrNumber {
            type Value = PrimaryGroup;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<PrimaryGroup, E> {
                let wrong =
                    || E::invalid_value(Unexpected::Signed(number), &"the number of a group");
                u32::try_from(number)
                    .map(PrimaryGroup::Number)
                    .map_err(|_| wrong())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PrimaryGroup, E> {
                if let Ok(number) = text.parse() {
                    return Ok(PrimaryGroup::Number(number));
                }
                GroupName::parse(text)
                    .map(PrimaryGroup::Name)
                    .map_err(E::custom)
            }
        }
        d.deserialize_any(NameOrNumber)
    }
}
