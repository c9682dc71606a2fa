//! What a view shows of units.

use super::View;
use crate::host::overlay::{Cause, Fate, by_files};
use crate::host::{HostError, Key, Unit};
use crate::name::{UnitId, UnitScope, UserName};
use crate::unit_file;

impl View<'_> {
    /// A unit. One of a user can be asked for only if [`View::runs_units_of`] says so.
    ///
    /// # Errors
    /// Those of the host.
    pub fn unit(&self, unit: &UnitId) -> Result<Fate<Option<Unit>>, HostError> {
        if let Some(seen) = self.overlay.unit(unit) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.unit(unit)?;
        self.record(Key::Unit(unit.clone()), &seen);
        let fate = match &unit.scope {
            UnitScope::System => Fate::Is(seen),
            UnitScope::User(user) => self.users_unit(unit, user, seen)?,
        };
        Ok(match (fate, self.overlay.pending_install()) {
            (Fate::Is(None), Some(cause)) => Fate::Unknown(cause.clone()), // packages bring units too
            (fate, _) => fate,
        })
    }

    /// A user's unit of which systemd says `seen`, with the files that earlier blocks write or remove.
    fn users_unit(
        &self,
        unit: &UnitId,
        user: &UserName,
        seen: Option<Unit>,
    ) -> Result<Fate<Option<Unit>>, HostError> {
        let places = match self.home(user)? {
            Some(home) => unit_file::places_of_user(&unit.name, &home),
            None => Vec::new(),
        };
        if !self.overlay.foresees_any(&places) {
            return Ok(Fate::Is(seen));
        }
        by_files(seen, &places, &|path| self.path(path), &|path| {
            self.read(path)
        })
    }

    /// Whether a user's own systemd runs, and so can be asked. It is a unit of the host: once an
    /// earlier block will have started it, it can be asked, but not yet.
    ///
    /// # Errors
    /// Those of the host.
    pub fn runs_units_of(&self, uid: u32) -> Result<Fate<bool>, HostError> {
        let manager = UnitId::manager(uid);
        // While it comes up it is waited for.
        let runs = |unit: Unit| unit.is_running() || unit.active == "activating";
        let now = match self.overlay.unit(&manager) {
            Some(_) => self.base.unit(&manager)?.is_some_and(runs),
            None => true,
        };
        Ok(match self.unit(&manager)? {
            Fate::Unknown(cause) => Fate::Unknown(cause),
            Fate::Is(unit) => match (now, unit.is_some_and(runs)) {
                (false, true) => Fate::Unknown(Cause(format!("the start of {manager}"))),
                (_, runs) => Fate::Is(runs),
            },
        })
    }
}
