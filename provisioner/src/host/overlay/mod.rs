//! What earlier effects will have made of a host, foreseen: a map over whatever lies under it.
//!
//! Over a real host it is what planning threads through the blocks; over nothing it is a whole
//! host in memory. One foresight of each effect serves both.

mod accounts;
mod answers;
mod foresee;
mod settings;
mod user_units;

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Content;
use crate::host::setting::Setting;
use crate::host::{Checkout, Entry, Group, Key, Memo, Package, Unit, User};
use crate::name::{AbsPath, GroupName, PackageName, UnitId, UserName};

pub(super) use self::accounts::fingerprint;
pub use self::foresee::Base;
pub(crate) use self::user_units::by_files;

/// Why something cannot be known before an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub String);

/// What a key shows, or why that cannot be known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<T> {
    /// Known; `Is(None)` is a known absence.
    Is(T),
    /// An earlier block decides it when it runs.
    Unknown(Cause),
}

/// The foreseen state of what earlier effects touch. A key that is not here shows the base.
#[derive(Clone, Default)]
pub struct Overlay {
    pub(super) paths: BTreeMap<AbsPath, Option<Entry>>,
    pub(super) content: BTreeMap<AbsPath, Content>,
    pub(super) users: BTreeMap<UserName, Option<User>>,
    pub(super) groups: BTreeMap<GroupName, Option<Group>>,
    pub(super) packages: BTreeMap<PackageName, Option<Package>>,
    pub(super) units: BTreeMap<UnitId, Option<Unit>>,
    pub(super) memos: BTreeMap<Memo, bool>,
    pub(super) settings: BTreeMap<Setting, Fate<Option<String>>>,
    /// Set once a kernel module will have been loaded: it brings parameters.
    loaded: Option<Cause>,
    /// Set once a service will have been started or stopped: ports come and go with it.
    served: Option<Cause>,
    /// What was removed with all that it held: whatever a base shows below it is gone.
    removed: BTreeSet<AbsPath>,
    /// Accounts that a block was to see to which cannot work.
    doubts: BTreeMap<Key, Cause>,
    /// Trees in which anything may change: a clone's destination, what an exec says it makes.
    shadows: Vec<(AbsPath, Cause)>,
    /// Set while a package installation is pending: it may bring users, units and files, so that
    /// "absent" is no longer known for them.
    pub(super) pending_install: Option<Cause>,
}

impl Overlay {
    /// Whether an entry at this path is foreseen.
    pub fn path(&self, path: &AbsPath) -> Option<Fate<Option<Entry>>> {
        if let Some(entry) = self.paths.get(path) {
            return Some(Fate::Is(entry.clone()));
        }
        if let Some(cause) = self.shadow_over(path) {
            return Some(Fate::Unknown(cause));
        }
        self.is_cleared(path).then_some(Fate::Is(None))
    }

    /// Whether the directory at a path holds anything, where what is foreseen decides that alone.
    pub fn holds(&self, dir: &AbsPath) -> Option<Fate<bool>> {
        let below = |path: &AbsPath| path != dir && path.as_path().starts_with(dir.as_path());
        if self
            .paths
            .iter()
            .any(|(p, entry)| below(p) && entry.is_some())
        {
            return Some(Fate::Is(true));
        }
        if let Some(cause) = self.shadow_over(dir).or_else(|| self.shadow_within(dir)) {
            return Some(Fate::Unknown(cause));
        }
        self.is_cleared(dir).then_some(Fate::Is(false))
    }

    /// The names in a directory, of which a base shows `seen`: what is foreseen to come and to go.
    pub fn entries(&self, dir: &AbsPath, seen: Vec<String>) -> Fate<Vec<String>> {
        if let Some(cause) = self.shadow_over(dir).or_else(|| self.shadow_within(dir)) {
            return Fate::Unknown(cause);
        }
        let cleared = self.is_cleared(dir);
        let mut names: BTreeSet<String> = seen.into_iter().filter(|_| !cleared).collect();
        for (path, entry) in &self.paths {
            let Some(name) = path.name().filter(|_| path.parent().as_ref() == Some(dir)) else {
                continue;
            };
            if entry.is_some() {
                names.insert(name.to_owned());
            } else {
                names.remove(name);
            }
        }
        Fate::Is(names.into_iter().collect())
    }

    /// What is foreseen to be gone from below a directory.
    pub fn gone_from(&self, dir: &AbsPath) -> Vec<AbsPath> {
        let below = |path: &&AbsPath| path.as_path().starts_with(dir.as_path());
        self.removed.iter().filter(below).cloned().collect()
    }

    /// Whether all that a base shows at a path was removed.
    fn is_cleared(&self, path: &AbsPath) -> bool {
        std::iter::successors(Some(path.clone()), AbsPath::parent)
            .any(|p| self.removed.contains(&p))
    }

    /// The foreseen content of a file.
    pub fn content(&self, path: &AbsPath) -> Option<&Content> {
        self.content.get(path)
    }

    /// Whether a user is foreseen.
    pub fn user(&self, name: &UserName) -> Option<Option<User>> {
        self.users.get(name).cloned()
    }

    /// Whether a group is foreseen.
    pub fn group(&self, name: &GroupName) -> Option<Option<Group>> {
        self.groups.get(name).cloned()
    }

    /// The user who is foreseen to have a number.
    pub fn user_numbered(&self, uid: u32) -> Option<UserName> {
        let has = |user: &Option<User>| user.as_ref().is_some_and(|u| u.uid == Some(uid));
        let found = self.users.iter().find(|(_, user)| has(user));
        found.map(|(name, _)| name.clone())
    }

    /// The group that is foreseen to have a number.
    pub fn group_numbered(&self, gid: u32) -> Option<GroupName> {
        let has = |group: &Option<Group>| group.as_ref().is_some_and(|g| g.gid == Some(gid));
        let found = self.groups.iter().find(|(_, group)| has(group));
        found.map(|(name, _)| name.clone())
    }

    /// Whether a package is foreseen.
    pub fn package(&self, name: &PackageName) -> Option<Option<Package>> {
        self.packages.get(name).cloned()
    }

    /// All packages that are foreseen, or foreseen to be gone.
    pub fn foreseen_packages(&self) -> impl Iterator<Item = (&PackageName, Option<&Package>)> {
        let all = self.packages.iter();
        all.map(|(name, package)| (name, package.as_ref()))
    }

    /// A file that package lists are made from, if an earlier block changes one.
    pub fn changed_package_source(&self) -> Option<&AbsPath> {
        let dirs = [
            "/etc/apt",
            "/etc/yum.repos.d",
            "/etc/zypp/repos.d",
            "/etc/apk/repositories",
            "/etc/pacman.conf",
            "/etc/pacman.d",
        ];
        let mut paths = self.paths.keys();
        paths.find(|path| dirs.iter().any(|dir| path.as_path().starts_with(dir)))
    }

    /// Whether anything is foreseen of one of these paths.
    pub(crate) fn foresees_any(&self, paths: &[AbsPath]) -> bool {
        paths.iter().any(|path| self.path(path).is_some())
    }

    /// Whether a unit is foreseen.
    pub fn unit(&self, unit: &UnitId) -> Option<Option<Unit>> {
        self.units.get(unit).cloned()
    }

    /// Whether it is foreseen that something is remembered.
    pub fn memo(&self, memo: &Memo) -> Option<bool> {
        let same_place = |other: &Memo| match (other, memo) {
            (Memo::Made { place, .. }, Memo::Made { place: mine, .. }) => place == mine,
            _ => false,
        };
        let replaced = || self.memos.keys().any(same_place).then_some(false);
        self.memos.get(memo).copied().or_else(replaced)
    }

    /// What is foreseen of the working tree at a path.
    pub fn checkout(&self, path: &AbsPath) -> Option<Fate<Option<Checkout>>> {
        let gone = || self.is_cleared(path).then_some(Fate::Is(None));
        self.shadow_over(path).map(Fate::Unknown).or_else(gone)
    }

    /// Why it is not known what an account will be.
    pub fn doubt(&self, key: &Key) -> Option<&Cause> {
        self.doubts.get(key)
    }

    /// A block that cannot work was to see to this: what becomes of it is not known.
    pub fn doubt_about(&mut self, key: Key, cause: Cause) {
        match key {
            Key::Path(path) | Key::Checkout(path) => self.cast_shadow(path, cause),
            Key::User(_) | Key::Group(_) => drop(self.doubts.insert(key, cause)),
            _ => {}
        }
    }

    /// The pending installation that makes absences unknown.
    pub fn pending_install(&self) -> Option<&Cause> {
        self.pending_install.as_ref()
    }

    fn shadow_over(&self, path: &AbsPath) -> Option<Cause> {
        let covers = |tree: &AbsPath| path.as_path().starts_with(tree.as_path());
        self.shadows
            .iter()
            .find(|(tree, _)| covers(tree))
            .map(|(_, cause)| cause.clone())
    }

    /// What was unknown is made: a host in memory has no doubts about itself.
    pub(super) fn forget_shadows(&mut self) {
        self.shadows.clear();
    }

    /// What may make something below a path, and so the path itself.
    pub fn shadow_within(&self, path: &AbsPath) -> Option<Cause> {
        let below = |tree: &AbsPath| tree != path && tree.as_path().starts_with(path.as_path());
        let found = self.shadows.iter().find(|(tree, _)| below(tree));
        found.map(|(_, cause)| cause.clone())
    }

    /// Everything under `tree` becomes unknown because of `cause`.
    pub fn cast_shadow(&mut self, tree: AbsPath, cause: Cause) {
        self.paths
            .retain(|p, _| !p.as_path().starts_with(tree.as_path()));
        self.content
            .retain(|p, _| !p.as_path().starts_with(tree.as_path()));
        self.shadows.push((tree, cause));
    }
}
