//! What earlier effects will have made of a host, foreseen: a map over whatever lies under it.
//!
//! Over a real host it is what planning threads through the blocks; over nothing it is a whole
//! host in memory. One foresight of each effect serves both.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{Access, Content, Effect, GroupEdit, UnitJob, UserEdit, UserShape};
use crate::host::{Checkout, Entry, EntryKind, Group, Observe, Owner, Package, Unit, User};
use crate::name::{AbsPath, GroupName, Mode, PackageName, UnitName, UserName};

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
    pub(super) units: BTreeMap<UnitName, Option<Unit>>,
    /// What was removed with all that it held: whatever a base shows below it is gone.
    removed: BTreeSet<AbsPath>,
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

    /// Whether a unit is foreseen.
    pub fn unit(&self, name: &UnitName) -> Option<Option<Unit>> {
        self.units.get(name).cloned()
    }

    /// What is foreseen of the working tree at a path.
    pub fn checkout(&self, path: &AbsPath) -> Option<Fate<Option<Checkout>>> {
        let gone = || self.is_cleared(path).then_some(Fate::Is(None));
        self.shadow_over(path).map(Fate::Unknown).or_else(gone)
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

    /// What a host will show once `effect` has been performed by the block `by`. `base` answers for
    /// what is not foreseen.
    pub fn foresee(&mut self, effect: &Effect, by: &str, base: &Base<'_>) {
        let cause = || Cause(by.to_owned());
        match effect {
            Effect::WriteFile(file) => {
                let kind = EntryKind::File {
                    size: file.content.size(),
                };
                let born = if file.secret {
                    Mode::new(0o600)
                } else {
                    Mode::new(0o644)
                };
                let entry = self.with_access(&file.path, kind, &file.access, born, base);
                self.paths.insert(file.path.clone(), Some(entry));
                self.content.insert(file.path.clone(), file.content.clone());
            }
            Effect::MakeDir { path, access } => {
                let entry = self.with_access(path, EntryKind::Dir, access, Mode::new(0o755), base);
                self.paths.insert(path.clone(), Some(entry));
            }
            Effect::Link { path, to } => {
                let kind = EntryKind::Symlink(to.clone());
                let entry =
                    self.with_access(path, kind, &Access::default(), Mode::new(0o777), base);
                self.paths.insert(path.clone(), Some(entry));
            }
            Effect::SetAccess { path, access } => {
                if let Some(Fate::Is(Some(old))) = self.path(path).or_else(|| base.path(path)) {
                    let kind = old.kind.clone();
                    let entry = self.with_access(path, kind, access, old.mode, base);
                    self.paths.insert(path.clone(), Some(entry));
                }
            }
            Effect::Remove { path, .. } => {
                let below = |p: &AbsPath| p.as_path().starts_with(path.as_path());
                self.paths.retain(|p, _| !below(p));
                self.content.retain(|p, _| !below(p));
                self.shadows.retain(|(p, _)| !below(p));
                self.paths.insert(path.clone(), None);
                self.removed.insert(path.clone());
            }
            Effect::Packages(transaction) => {
                for want in &transaction.install {
                    let package = Package {
                        version: want.version.clone(),
                        held: false,
                        configured: true,
                    };
                    self.packages.insert(want.name.clone(), Some(package));
                }
                for name in &transaction.remove {
                    self.packages.insert(name.clone(), None);
                }
                if !transaction.install.is_empty() {
                    self.pending_install.get_or_insert_with(cause);
                }
            }
            Effect::Group(edit) => self.foresee_group(edit, base),
            Effect::User(edit) => self.foresee_user(edit, base),
            Effect::Unit { name, job } => self.foresee_unit(name, *job, base),
            Effect::Clone(job) => self.cast_shadow(job.dest.clone(), cause()),
            Effect::Run(_) => {} // its declared shadow is cast by the block (see Decision::Act)
        }
    }

    fn with_access(
        &self,
        path: &AbsPath,
        kind: EntryKind,
        access: &Access,
        born: Mode,
        base: &Base<'_>,
    ) -> Entry {
        let old = match self.path(path).or_else(|| base.path(path)) {
            Some(Fate::Is(old)) => old,
            _ => None,
        };
        let kept = old.as_ref();
        Entry {
            kind,
            mode: access.mode.or(kept.map(|e| e.mode)).unwrap_or(born),
            owner: match &access.owner {
                Some(name) => Owner::Named(name.clone()),
                None => kept.map_or(Owner::Id(0), |e| e.owner.clone()),
            },
            group: match &access.group {
                Some(name) => Owner::Named(name.clone()),
                None => kept.map_or(Owner::Id(0), |e| e.group.clone()),
            },
        }
    }

    fn foresee_group(&mut self, edit: &GroupEdit, base: &Base<'_>) {
        let (name, group) = match edit {
            GroupEdit::Add { name, gid, .. } => (
                name,
                Some(Group {
                    gid: *gid,
                    members: Vec::new(),
                }),
            ),
            GroupEdit::Remove { name } => (name, None),
            GroupEdit::SetGid { name, gid } => {
                let mut group = self.known_group(name, base);
                group.gid = Some(*gid);
                (name, Some(group))
            }
            GroupEdit::AddMembers { name, members } => {
                let mut group = self.known_group(name, base);
                group.members.extend(members.iter().cloned());
                group.members.sort();
                group.members.dedup();
                (name, Some(group))
            }
        };
        self.groups.insert(name.clone(), group);
    }

    fn known_group(&self, name: &GroupName, base: &Base<'_>) -> Group {
        let absent = Group {
            gid: None,
            members: Vec::new(),
        };
        self.group(name)
            .unwrap_or_else(|| base.group(name))
            .unwrap_or(absent)
    }

    fn foresee_user(&mut self, edit: &UserEdit, base: &Base<'_>) {
        match edit {
            UserEdit::Add {
                name,
                as_,
                create_home,
                ..
            } => {
                let own =
                    GroupName::parse(name.as_str()).expect("user and group names have one rule");
                let group = as_.group.clone().unwrap_or_else(|| own.clone());
                if as_.group.is_none() {
                    self.groups.insert(
                        own,
                        Some(Group {
                            gid: None,
                            members: Vec::new(),
                        }),
                    );
                }
                let home = as_
                    .home
                    .as_ref()
                    .map_or_else(|| format!("/home/{name}"), ToString::to_string);
                let user = User {
                    uid: as_.uid,
                    gid: self.known_group(&group, base).gid,
                    group: Some(group.clone()),
                    comment: String::new(),
                    home: home.clone(),
                    shell: String::new(),
                    groups: Vec::new(),
                    password: None,
                    locked: true,
                };
                self.users
                    .insert(name.clone(), Some(base.reshape(user, as_)));
                if *create_home && let Ok(path) = AbsPath::parse(&home) {
                    let access = Access {
                        owner: Some(name.clone()),
                        group: Some(group),
                        mode: None,
                    };
                    if matches!(
                        self.path(&path).or_else(|| base.path(&path)),
                        Some(Fate::Is(None)) | None
                    ) {
                        let entry = self.with_access(
                            &path,
                            EntryKind::Dir,
                            &access,
                            Mode::new(0o755),
                            base,
                        );
                        self.paths.insert(path, Some(entry));
                    }
                }
            }
            UserEdit::Modify { name, to } => {
                let old = self.user(name).unwrap_or_else(|| base.user(name));
                if let Some(old) = old {
                    self.users.insert(name.clone(), Some(base.reshape(old, to)));
                }
            }
            UserEdit::Remove { name, remove_home } => {
                let old = self.user(name).unwrap_or_else(|| base.user(name));
                self.users.insert(name.clone(), None);
                if let Ok(own) = GroupName::parse(name.as_str())
                    && old.as_ref().is_some_and(|u| u.group.as_ref() == Some(&own))
                {
                    self.groups.insert(own, None); // userdel removes the user's own group
                }
                if *remove_home && let Some(path) = old.and_then(|u| AbsPath::parse(&u.home).ok()) {
                    self.foresee(
                        &Effect::Remove {
                            path,
                            recursive: true,
                        },
                        name.as_str(),
                        base,
                    );
                }
            }
        }
    }

    fn foresee_unit(&mut self, name: &UnitName, job: UnitJob, base: &Base<'_>) {
        let unknown = Unit {
            active: "inactive".into(),
            enabled: "disabled".into(),
            condition_failed: false,
        };
        let mut unit = self
            .unit(name)
            .unwrap_or_else(|| base.unit(name))
            .unwrap_or(unknown);
        match job {
            UnitJob::Start | UnitJob::Restart => "active".clone_into(&mut unit.active),
            UnitJob::Stop => "inactive".clone_into(&mut unit.active),
            UnitJob::Enable => "enabled".clone_into(&mut unit.enabled),
            UnitJob::Disable => "disabled".clone_into(&mut unit.enabled),
            UnitJob::Reload => {}
        }
        self.units.insert(name.clone(), Some(unit));
    }
}

/// What lies under an overlay while it foresees: a host, or nothing.
pub struct Base<'a>(pub Option<&'a dyn Observe>);

impl Base<'_> {
    fn path(&self, path: &AbsPath) -> Option<Fate<Option<Entry>>> {
        self.0.and_then(|host| host.path(path).ok()).map(Fate::Is)
    }

    fn user(&self, name: &UserName) -> Option<User> {
        self.0.and_then(|host| host.user(name).ok()).flatten()
    }

    fn group(&self, name: &GroupName) -> Option<Group> {
        self.0.and_then(|host| host.group(name).ok()).flatten()
    }

    fn unit(&self, name: &UnitName) -> Option<Unit> {
        self.0.and_then(|host| host.unit(name).ok()).flatten()
    }

    fn reshape(&self, mut user: User, to: &UserShape) -> User {
        user.uid = to.uid.or(user.uid);
        if let Some(group) = &to.group {
            user.gid = self.group(group).and_then(|g| g.gid);
            user.group = Some(group.clone());
        }
        if let Some(comment) = &to.comment {
            user.comment.clone_from(comment);
        }
        if let Some(home) = &to.home {
            user.home = home.to_string();
        }
        if let Some(shell) = &to.shell {
            user.shell = shell.to_string();
        }
        user.groups.extend(to.join.iter().cloned());
        user.groups.retain(|g| !to.leave.contains(g));
        user.groups.sort();
        user.groups.dedup();
        if let Some(hash) = &to.password_hash {
            let bytes = hash.expose().as_bytes();
            user.password = Some(
                self.0
                    .map_or_else(|| fingerprint(bytes), |host| host.fingerprint(bytes)),
            );
        }
        user.locked = to
            .locked
            .unwrap_or(user.locked && to.password_hash.is_none());
        user
    }
}

/// The fingerprint that a host in memory makes; its key is no secret.
pub(super) fn fingerprint(secret: &[u8]) -> String {
    blake3::keyed_hash(&[7; 32], secret).to_hex()[..8].to_owned()
}
