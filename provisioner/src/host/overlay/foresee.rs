//! What an effect will have made of a host.

use super::{Cause, Fate, Overlay};
use crate::effect::{Access, Effect, UnitJob};
use crate::host::{Entry, EntryKind, Group, Observe, Owner, Package, Unit, User};
use crate::name::{AbsPath, GroupName, Mode, UnitName, UserName};

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

    pub(super) fn unit(&self, name: &UnitName) -> Option<Unit> {
        self.0.and_then(|host| host.unit(name).ok()).flatten()
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
            Effect::Remember { memo, kept } => {
                self.memos.insert(memo.clone(), *kept);
            }
            Effect::Run(_) => {} // its declared shadow is cast by the block (see Decision::Act)
        }
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
