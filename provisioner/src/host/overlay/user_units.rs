//! Units of users that are there because of their files: what a systemd that has not read them yet
//! cannot say.

use std::sync::Arc;

use super::Fate;
use crate::host::{Entry, HostError, Unit};
use crate::name::AbsPath;
use crate::unit_file;

/// A look at a path: what lies there, or what the file there says.
type Look<'a, T> = &'a dyn Fn(&AbsPath) -> Result<Fate<Option<T>>, HostError>;

/// What a user's unit is when its files, at `places`, are what `entry` and `read` show, and the
/// user's systemd says `seen` of it.
pub(crate) fn by_files(
    seen: Option<Unit>,
    places: &[AbsPath],
    entry: Look<'_, Entry>,
    read: Look<'_, Arc<[u8]>>,
) -> Result<Fate<Option<Unit>>, HostError> {
    for place in places {
        match entry(place)? {
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
            Fate::Is(None) => continue,
            Fate::Is(Some(_)) => {}
        }
        let text = match read(place)? {
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
            Fate::Is(text) => text.unwrap_or_default(),
        };
        let settings = unit_file::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
        let mut unit = seen.unwrap_or_else(Unit::fresh);
        if matches!(unit.enabled.as_str(), "disabled" | "static") {
            unit_file::disabled(&settings).clone_into(&mut unit.enabled);
        }
        return Ok(Fate::Is(Some(unit)));
    }
    // What runs is kept until it ends.
    Ok(Fate::Is(seen.filter(|unit| !unit.is_stopped())))
}
