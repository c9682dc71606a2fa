//! Units that run, many at once: what a plan of a host in place asks of systemd.

use std::collections::HashMap;

use zbus::OwnedObjectPath;

use super::systemd::Systemd;
use crate::host::{HostError, Unit};
use crate::name::UnitName;

/// Fewer units are asked for one by one.
pub(super) const FEW: usize = 4;

/// As many answers are awaited at once; the bus has a limit.
const AT_ONCE: usize = 64;

/// A unit as `ListUnitsByNames` has it: name, description, `LoadState`, `ActiveState`, `SubState`,
/// what it follows, its path, and its job's id, type and path.
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

impl Systemd {
    /// Those of these units that are loaded and active, under their own names. Whatever else is to be
    /// known of a unit, and all of one that does not run, is asked for by itself.
    pub(super) fn running(
        &self,
        names: &[&UnitName],
    ) -> Result<HashMap<UnitName, Unit>, HostError> {
        if self.is_outdated() {
            return Ok(HashMap::new());
        }
        let words: Vec<&str> = names
            .iter()
            .map(|name| name.as_str())
            .filter(|name| !name.contains("@."))
            .collect();
        let listed: Vec<Listed> = self.call(names[0], "ListUnitsByNames", &(words,))?;
        let mut found = HashMap::new();
        let active: Vec<(UnitName, OwnedObjectPath)> = listed
            .into_iter()
            .filter(|unit| unit.2 == "loaded" && unit.3 == "active")
            .filter_map(|unit| Some((UnitName::parse(&unit.0).ok()?, unit.6)))
            .collect();
        for some in active.chunks(AT_ONCE) {
            let paths = some.iter().map(|(_, path)| path.as_ref());
            let states: Vec<String> = self.ask_all(paths, "UnitFileState")?;
            for ((name, _), enabled) in some.iter().zip(states) {
                let unit = Unit {
                    active: "active".to_owned(),
                    enabled,
                    condition_failed: false,
                };
                found.insert(name.clone(), unit);
            }
        }
        Ok(found)
    }
}
