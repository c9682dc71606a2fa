//! The settings of the running kernel and host: where each is read, and what sets it.

mod kernel;
mod listeners;
mod locales;
mod modules;
mod mounts;
mod reboot;
mod ruleset;

pub(super) use self::kernel::is_read_only;
use super::Live;
use super::paths::Tree;
use crate::host::HostError;
use crate::host::setting::Setting;

/// What a setting is. Nothing but the locales is known of a root that does not run.
pub(super) fn see(tree: &Tree, setting: &Setting) -> Result<Option<String>, HostError> {
    match setting {
        Setting::Locale(name) => {
            let made = locales::is_generated(tree, name)?;
            Ok(made.then(|| Setting::GENERATED.to_owned()))
        }
        _ if !tree.is_live() => Ok(None),
        Setting::Module(name) => modules::module(name),
        Setting::Mounted(path) => mounts::mounted(path),
        Setting::Ruleset => ruleset::mark(),
        Setting::Swap(path) => mounts::swap(tree, path),
        Setting::Sysctl(key) => kernel::sysctl(key),
        Setting::Hostname => Ok(Some(kernel::hostname())),
        Setting::Reboot => Ok(reboot::needed()),
        Setting::Port(port) => {
            let listens = listeners::listens(*port)?;
            Ok(listens.then(|| Setting::LISTENING.to_owned()))
        }
    }
}

/// Brings a setting to a value.
pub(super) fn set(live: &Live, setting: &Setting, value: Option<&str>) -> Result<(), HostError> {
    match (setting, value) {
        (Setting::Sysctl(key), Some(value)) => kernel::set_sysctl(key, value),
        (Setting::Module(name), Some(to)) => modules::set(name, to == Setting::LOADED),
        (Setting::Mounted(path), to) => mounts::set_mounted(live, path, to.is_some()),
        (Setting::Swap(path), Some(size)) => mounts::set_swap(&live.tree, path, size),
        (Setting::Ruleset, to) => ruleset::set(to.is_some()),
        (Setting::Swap(path), None) => mounts::end_swap(&live.tree, path),
        (Setting::Locale(_), Some(_)) => locales::generate(),
        (Setting::Hostname, Some(name)) => kernel::set_hostname(name),
        _ => Err(HostError::Refused(format!("{setting} cannot be set"))),
    }
}
