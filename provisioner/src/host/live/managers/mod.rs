//! The package managers that hpt knows, behind one trait; the one list where another is added.

mod apk;
mod apt;
mod apt_words;
mod dnf;
mod dpkg;
mod lists;
mod needs;
mod objection;
mod pacman;
mod record;
mod rpm;
mod transactions;
mod work;
mod zypper;

use std::collections::HashMap;
use std::time::Duration;

use super::Live;
use super::command::{End, Spawn};
use super::locks::Lock;
use crate::effect::{Transaction, Want};
use crate::host::HostError;
use crate::name::{PackageName, PackageVersion};

pub(super) use self::dpkg::STATUS as DPKG_STATUS;
pub(super) use self::lists::newer;
pub(super) use self::needs::Needs;
pub(super) use self::objection::objection;
pub(super) use self::record::Packages;
pub(super) use self::work::Work;

/// A package manager: what it is asked, in which words, and what its words mean.
///
/// Every call is an argument vector with a `--` before its names; none has an option against
/// signatures (X4, X6).
pub(super) trait Manager: Sync {
    /// Its word in `manager`, and in errors.
    fn word(&self) -> &'static str;

    /// The files and directories that change whenever what is installed does.
    fn record_files(&self) -> &'static [&'static str];

    /// Reads what is installed. Only rpm's record needs a process for that: its format is its own.
    fn record(&self, host: &Live) -> Result<Packages, HostError>;

    /// The locks that it takes, in its order.
    fn locks(&self) -> &'static [Lock<'static>];

    /// Finishes what a crash has left half done; `None` if nothing is.
    fn repair(&self, packages: &Packages) -> Option<Spawn> {
        let _ = packages;
        None
    }

    /// Whether its lists are missing, or older than what says where they come from.
    fn lists_are_stale(&self) -> bool {
        false
    }

    /// Refreshes the package lists.
    fn refresh(&self) -> Spawn;

    /// What it cannot do at all of what is wanted; a whole sentence.
    fn cannot(&self, wanted: &Transaction) -> Option<String> {
        let _ = wanted;
        None
    }

    /// Says what [`Self::change`] would do, and changes nothing; `None` for one that asks before it
    /// removes what nobody named, and so refuses by itself.
    fn simulate(&self, wanted: &Transaction) -> Option<Spawn> {
        let _ = wanted;
        None
    }

    /// Reads what [`Self::simulate`] printed.
    fn foreseen(&self, output: &str) -> Foreseen {
        let _ = output;
        Foreseen::default()
    }

    /// A call that says, while it changes nothing and waits for nobody, whether what is installed
    /// bears a transaction; `None` where that is sure without it.
    fn trial(&self, host: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError>;

    /// The installed packages that would go along, or break, and that nobody named: from what
    /// [`Self::trial`] printed, if a failure does not say it in words of its own.
    fn along(&self, wanted: &Transaction, output: &str) -> Vec<String> {
        let _ = (wanted, output);
        Vec::new()
    }

    /// Whether its name for a package is the one that a config gave.
    fn same(&self, asked: &PackageName, its: &str) -> bool {
        asked.as_str() == its
    }

    /// Installs, upgrades and removes: one call where the tool can do all of it in one.
    fn change(&self, wanted: &Transaction, packages: &Packages) -> Vec<Spawn>;

    /// Whether a call of [`Self::change`] did what it was asked for.
    fn worked(&self, end: End, output: &str) -> bool {
        let _ = output;
        end == End::Exit(0)
    }

    /// Keeps packages at the version that they have.
    /// `None` if it has no call for that.
    fn hold(&self, names: &[PackageName], packages: &Packages) -> Option<Spawn>;

    /// Lets packages move again.
    fn unhold(&self, names: &[PackageName]) -> Option<Spawn>;

    /// Whether it failed because its lists do not have what was asked for, so that nothing was done.
    fn is_unknown(&self, output: &str) -> bool;

    /// The package that it says it failed on.
    fn blamed(&self, output: &str) -> Option<String>;

    /// The files and directories that change when the local lists, or what is chosen from them, do.
    fn list_files(&self) -> &'static [&'static str];

    /// Asks the local lists, and no server, which of these packages have a newer version.
    fn newer(&self, names: &[PackageName]) -> Spawn;

    /// Reads what [`Self::newer`] printed; `None` if it could not say.
    fn newer_versions(&self, end: End, output: &str) -> Option<Newer>;
}

/// A transaction may download and build for so long; to stop it in the middle is the last resort.
const LONGEST: Duration = Duration::from_hours(2);

/// Newer versions by name.
pub(super) type Newer = HashMap<String, PackageVersion>;

/// What a simulation says would happen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Foreseen {
    /// Packages that would be installed or upgraded, as the manager names them.
    pub(super) installed: Vec<String>,
    /// Packages that would be removed.
    pub(super) removed: Vec<String>,
}

/// All that are known.
static ALL: [&dyn Manager; 6] = [
    &apt::Apt,
    &zypper::Zypper,
    &dnf::DNF,
    &dnf::YUM,
    &apk::Apk,
    &pacman::Pacman,
];

/// The manager with this word, which `Facts::package_manager` has found.
pub(super) fn named(word: &str) -> Option<&'static dyn Manager> {
    ALL.into_iter().find(|manager| manager.word() == word)
}

/// All that is to be there in the end, whether it has a version of its own or the newest.
fn wanted(transaction: &Transaction) -> impl Iterator<Item = Want> + '_ {
    let newest = transaction.upgrade.iter().map(|name| Want {
        name: name.clone(),
        version: None,
    });
    transaction.install.iter().cloned().chain(newest)
}

/// Options, verb, `--` and operands.
fn arguments(options: &[&str], operands: impl IntoIterator<Item = String>) -> Vec<String> {
    let options = options.iter().map(ToString::to_string);
    options
        .chain(std::iter::once("--".to_owned()))
        .chain(operands)
        .collect()
}

/// `name=version`, or the name alone where any version will do.
fn operand(want: &Want) -> String {
    let version = want.version.as_ref();
    version.map_or_else(|| want.name.to_string(), |v| format!("{}={v}", want.name))
}

fn strings(names: &[PackageName]) -> impl Iterator<Item = String> + '_ {
    names.iter().map(ToString::to_string)
}

#[cfg(test)]
mod tests;
