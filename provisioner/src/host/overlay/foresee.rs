//! What an effect will have made of a host.

use std::sync::Arc;

use super::{Cause, Fate, Overlay};
use crate::effect::{Access, Content, Effect, Transaction, UnitJob};
use crate::host::{Entry, EntryKind, Group, Memo, Observe, Owner, Package, Unit, User};
use crate::name::{AbsPath, GroupName, Mode, PackageName, UnitId, UnitName, UnitScope, UserName};
use crate::unit_file;

/// What lies under an overlay while it foresees: a host, or nothing.
pub struct Base<'a>(pub Option<&'a dyn Observe>);

impl Base<'_> {
    pub(super) fn path(&self, path: &AbsPath) -> Option<Fate<Option<Entry>>> {
        self.0.and_then(|host| host.path(path).ok()).map(Fate::Is)
    }

    pub(super) fn user(&self, name: &UserName) -> Option<User> {
        self.0.and_then(|host| host.user(name).ok()).flatten()
    }

    pub(super) fn group(&self, name: &GroupName) -> Option<Group> {
        self.0.and_then(|host| host.group(name).ok()).flatten()
    }

    pub(super) fn read(&self, path: &AbsPath) -> Option<Arc<[u8]>> {
        self.0.and_then(|host| host.read(path).ok()).flatten()
    }

    pub(super) fn package(&self, name: &PackageName) -> Option<Package> {
        self.0.and_then(|host| host.package(name).ok()).flatten()
    }

    pub(super) fn unit(&self, unit: &UnitId) -> Option<Unit> {
        self.0.and_then(|host| host.unit(unit).ok()).flatten()
    }
}

impl Overlay {
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
                self.memos
                    .insert(Memo::Secret(file.path.clone()), file.secret);
                if let Some(name) = unit_file::unit_at(&file.path) {
                    self.foresee_unit_file(name, base);
                }
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
                self.memos.insert(Memo::Secret(path.clone()), false);
                if let Some(name) = unit_file::unit_at(path).filter(|_| to == "/dev/null") {
                    self.foresee_unit(&name.into(), UnitJob::Mask, base);
                }
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
                self.memos.insert(Memo::Secret(path.clone()), false);
                self.removed.insert(path.clone());
                if let Some(name) = unit_file::unit_at(path) {
                    self.foresee_unit_gone(name, path, base);
                }
            }
            Effect::Packages(transaction) => {
                self.foresee_packages(transaction, base);
                if !transaction.install.is_empty() || !transaction.upgrade.is_empty() {
                    self.pending_install.get_or_insert_with(cause);
                }
            }
            Effect::Group(edit) => self.foresee_group(edit, base),
            Effect::User(edit) => self.foresee_user(edit, base),
            Effect::Unit { unit, job } => {
                self.served.get_or_insert_with(cause);
                self.foresee_unit(unit, *job, base);
            }
            Effect::Set { setting, value } => {
                self.foresee_setting(setting, value.as_deref(), by, base);
            }
            Effect::Clone(job) => self.cast_shadow(job.dest.clone(), cause()),
            Effect::Unpack(job) => {
                let dest = job.dest.clone();
                let access = Access::default();
                let entry =
                    self.with_access(&dest, EntryKind::Dir, &access, Mode::new(0o755), base);
                self.cast_shadow(dest.clone(), cause());
                self.paths.insert(dest, Some(entry));
            }
            Effect::Remember { memo, kept } => {
                if let Memo::Made { place, .. } = memo {
                    let here =
                        |other: &Memo| matches!(other, Memo::Made { place: p, .. } if p == place);
                    self.memos.retain(|other, _| !here(other));
                }
                self.memos.insert(memo.clone(), *kept);
            }
            Effect::Run(_) => {} // its declared shadow is cast by the block (see Decision::Act)
        }
    }

    fn foresee_packages(&mut self, transaction: &Transaction, base: &Base<'_>) {
        let installs = transaction.install.iter();
        let installs = installs.map(|want| (&want.name, want.version.clone()));
        let upgrades = transaction.upgrade.iter().map(|name| (name, None));
        for (name, version) in installs.chain(upgrades) {
            let held = self.package_now(name, base).is_some_and(|p| p.held);
            let package = Package {
                version,
                held,
                configured: true,
            };
            self.packages.insert(name.clone(), Some(package));
        }
        for name in &transaction.remove {
            self.packages.insert(name.clone(), None);
        }
        let held = transaction.hold.iter().map(|name| (name, true));
        let free = transaction.unhold.iter().map(|name| (name, false));
        for (name, held) in held.chain(free) {
            if let Some(package) = self.package_now(name, base) {
                self.packages
                    .insert(name.clone(), Some(Package { held, ..package }));
            }
        }
    }

    fn package_now(&self, name: &PackageName, base: &Base<'_>) -> Option<Package> {
        self.package(name).unwrap_or_else(|| base.package(name))
    }

    pub(super) fn with_access(
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

    fn foresee_unit(&mut self, id: &UnitId, job: UnitJob, base: &Base<'_>) {
        let mut unit = self
            .unit(id)
            .unwrap_or_else(|| base.unit(id))
            .unwrap_or_else(Unit::fresh);
        match job {
            UnitJob::Start | UnitJob::Restart => "active".clone_into(&mut unit.active),
            UnitJob::Stop => "inactive".clone_into(&mut unit.active),
            UnitJob::Enable => "enabled".clone_into(&mut unit.enabled),
            UnitJob::Disable => "disabled".clone_into(&mut unit.enabled),
            UnitJob::Reload | UnitJob::Watch(_) => {}
            UnitJob::Mask => {
                "masked".clone_into(&mut unit.enabled);
                let Some(path) = self.unit_places(id, base).into_iter().next() else {
                    return;
                };
                let kind = EntryKind::Symlink("/dev/null".to_owned());
                let entry =
                    self.with_access(&path, kind, &Access::default(), Mode::new(0o777), base);
                self.paths.insert(path, Some(entry));
            }
            UnitJob::Unmask => {
                if let Some(path) = self.unit_places(id, base).into_iter().next() {
                    self.paths.insert(path, None);
                }
                self.enablement(id, base).clone_into(&mut unit.enabled);
            }
        }
        self.units.insert(id.clone(), Some(unit));
    }

    /// A unit's file is written: the unit is there, and its `[Install]` says what it can be.
    fn foresee_unit_file(&mut self, name: UnitName, base: &Base<'_>) {
        let id = UnitId::from(name);
        let seen = self.unit(&id).unwrap_or_else(|| base.unit(&id));
        let mut unit = seen.unwrap_or_else(Unit::fresh);
        if matches!(unit.enabled.as_str(), "disabled" | "static") {
            self.enablement(&id, base).clone_into(&mut unit.enabled);
        }
        self.units.insert(id, Some(unit));
    }

    /// A unit's file is removed: so is the unit, unless it runs or has another file.
    fn foresee_unit_gone(&mut self, name: UnitName, path: &AbsPath, base: &Base<'_>) {
        let is_there = |other: &AbsPath| {
            let fate = self.path(other).or_else(|| base.path(other));
            matches!(fate, Some(Fate::Is(Some(_))))
        };
        let id = UnitId::from(name);
        let seen = self.unit(&id).unwrap_or_else(|| base.unit(&id));
        let runs = seen.is_some_and(|unit| !unit.is_stopped());
        if !runs && !unit_file::elsewhere(path).iter().any(is_there) {
            self.units.insert(id, None);
        }
    }

    /// Where a unit may have its file, an administrator's or the user's own place first.
    fn unit_places(&self, unit: &UnitId, base: &Base<'_>) -> Vec<AbsPath> {
        match &unit.scope {
            UnitScope::System => unit_file::places(&unit.name),
            UnitScope::User(name) => {
                let user = self.user(name).unwrap_or_else(|| base.user(name));
                let home = user.and_then(|user| AbsPath::parse(&user.home).ok());
                home.map_or_else(Vec::new, |home| {
                    unit_file::places_of_user(&unit.name, &home)
                })
            }
        }
    }

    /// What a unit that does not start at boot is called by systemd, which depends on its file.
    fn enablement(&self, unit: &UnitId, base: &Base<'_>) -> &'static str {
        let mut places = self.unit_places(unit, base).into_iter();
        let text = |path| match (self.content.get(&path), self.path(&path)) {
            (Some(Content::Inline(bytes)), _) => Some(bytes.clone()),
            (None, None) => base.read(&path),
            _ => None,
        };
        let settings = places
            .find_map(text)
            .map(|bytes| unit_file::parse(&String::from_utf8_lossy(&bytes)).unwrap_or_default());
        settings.map_or("disabled", |settings| unit_file::disabled(&settings))
    }
}
