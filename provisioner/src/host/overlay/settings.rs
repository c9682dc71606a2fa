//! What will have become of the settings of a running host.

use super::foresee::Base;
use super::{Cause, Fate, Overlay};
use crate::effect::Access;
use crate::host::EntryKind;
use crate::host::setting::Setting;
use crate::name::Mode;

impl Overlay {
    /// Whether a setting is foreseen.
    pub fn setting(&self, setting: &Setting) -> Option<Fate<Option<String>>> {
        self.settings.get(setting).cloned()
    }

    /// An earlier block that is known only when it has run decides a setting.
    pub fn doubt_setting(&mut self, setting: Setting, cause: Cause) {
        self.settings.insert(setting, Fate::Unknown(cause));
    }

    /// What may bring a setting that the host lacks so far, or end one that it has.
    pub fn may_change(&self, setting: &Setting, is_there: bool) -> Option<&Cause> {
        let pending = self.pending_install.as_ref();
        match setting {
            Setting::Sysctl(_) if !is_there => self.loaded.as_ref().or(pending),
            Setting::Module(_) | Setting::Locale(_) if !is_there => pending,
            Setting::Reboot => pending,
            Setting::Port(_) => self.served.as_ref().or(pending),
            _ => None,
        }
    }

    pub(super) fn foresee_setting(
        &mut self,
        setting: &Setting,
        value: Option<&str>,
        by: &str,
        base: &Base<'_>,
    ) {
        let is_plan = base.0.is_some(); // a host in memory has no doubts about itself
        let cause = || Cause(by.to_owned());
        match (setting, value) {
            (Setting::Module(_), Some(Setting::LOADED)) if is_plan => {
                self.loaded.get_or_insert_with(cause); // modules bring parameters
            }
            (Setting::Mounted(path), _) if is_plan => self.cast_shadow(path.clone(), cause()),
            (Setting::Swap(path), Some(size)) => {
                let size = size.parse().unwrap_or_default();
                let (kind, access) = (EntryKind::File { size }, Access::default());
                let entry = self.with_access(path, kind, &access, Mode::new(0o600), base);
                self.paths.insert(path.clone(), Some(entry));
            }
            _ => {}
        }
        let value = Fate::Is(value.map(ToOwned::to_owned));
        self.settings.insert(setting.clone(), value);
    }
}
