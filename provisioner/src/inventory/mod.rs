//! `targets.toml`: what the workstation knows of its targets besides their keys. Each target has
//! addresses, groups, tags and values, each group values and members. There are no secrets in it.

mod glob;
mod pattern;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::glob::{BadGlob, Glob};
pub use self::pattern::{BadPattern, Known, Pattern, ReadList};
use crate::config::{File, Given, Setting};
use crate::fault::Fault;

/// The targets and groups of a workstation.
#[derive(Debug, Default)]
pub struct Inventory {
    targets: BTreeMap<String, Target>,
    groups: BTreeMap<String, Vec<Setting>>,
}

/// One target.
#[derive(Debug, Clone, Default)]
struct Target {
    groups: BTreeSet<String>,
    tags: BTreeSet<String>,
    vars: Vec<Setting>,
    at: At,
}

/// Where a target is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    /// Addresses or names, in the order in which they are tried; empty if the inventory has none.
    pub ips: Vec<String>,
    /// The port of hpt, if it is not its usual one.
    pub hpt_port: Option<u16>,
    /// The port of sshd, if it is not its usual one.
    pub ssh_port: Option<u16>,
}

impl Inventory {
    /// Reads a `targets.toml`.
    ///
    /// # Errors
    /// Every fault found, in the order of their places.
    pub fn parse(file: &File) -> Result<Self, Vec<Fault>> {
        reader::read(file)
    }

    /// The names of all targets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Where a target is; nothing of one that is not in it.
    pub fn at(&self, target: &str) -> At {
        let target = self.targets.get(target);
        target.map(|target| target.at.clone()).unwrap_or_default()
    }

    /// Whether a pattern means this target, which need not be in it.
    pub fn is_meant(&self, pattern: &Pattern, name: &str) -> bool {
        let unknown = Target::default();
        let Target { tags, groups, .. } = self.targets.get(name).unwrap_or(&unknown);
        pattern.matches(Known { name, tags, groups })
    }

    /// Adds what it knows of a target to what is said on the command line, which wins. A target that
    /// is not in it has no groups.
    pub fn tell(&self, target: &str, given: &mut Given) {
        let Some(target) = self.targets.get(target) else {
            return;
        };
        let table = |settings: &[Setting]| -> toml::Table {
            let each = settings.iter();
            each.map(|setting| (setting.name.clone(), setting.value.clone()))
                .collect()
        };
        let groups = target.groups.iter();
        given.groups = groups
            .map(|name| (name.clone(), table(&self.groups[name])))
            .collect();
        given.target_tags.clone_from(&target.tags);
        given.weaker(table(&target.vars));
    }

    /// The values that it has for a target, the weakest first. Their places are in its own file.
    pub fn settings(&self, target: &str) -> Vec<Setting> {
        let Some(target) = self.targets.get(target) else {
            return Vec::new();
        };
        let of_groups = target.groups.iter().flat_map(|name| &self.groups[name]);
        of_groups.chain(&target.vars).cloned().collect()
    }
}
