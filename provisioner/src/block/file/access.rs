//! Who owns a file and may do what with it: what is asked for, and whether it is so.

use crate::block::file::File;
use crate::block::{Action, Decision, Verb};
use crate::effect::{Access, Effect};
use crate::host::{Entry, HostError};
use crate::name::{GroupName, Mode, UserName};
use crate::view::View;

impl File {
    /// An owner or group that is not there, or cannot be given here.
    pub(super) fn account_fault(
        &self,
        entry: Option<&Entry>,
        view: &View<'_>,
    ) -> Result<Option<Decision>, HostError> {
        let (owner, group) = (self.owner.as_ref(), self.group.as_ref());
        if let Some(other) = Decision::without_accounts(owner, group, view)? {
            return Ok(Some(other));
        }
        if view.powers().chown || !self.changes_hands(entry, view)? {
            return Ok(None);
        }
        let why = "only root can give a file to another owner or group; run hpt as root";
        Ok(Some(Decision::Blocked(why.to_owned())))
    }

    fn changes_hands(&self, entry: Option<&Entry>, view: &View<'_>) -> Result<bool, HostError> {
        let Some(entry) = entry else {
            return Ok(self.owner.is_some() || self.group.is_some());
        };
        let access = self.difference(entry, view)?;
        Ok(access.owner.is_some() || access.group.is_some())
    }

    /// The content is right: whether owner, group and mode are.
    pub(super) fn only_access(
        &self,
        entry: &Entry,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        let access = self.difference(entry, view)?;
        if access == Access::default() {
            return Ok(Decision::InPlace);
        }
        let words = [
            access.mode.map(|_| "mode"),
            access.owner.as_ref().map(|_| "owner"),
            access.group.as_ref().map(|_| "group"),
        ];
        let summary = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let effect = Effect::SetAccess {
            path: self.path.clone(),
            access,
        };
        Ok(Decision::Act(Action::new(
            Verb::Update,
            summary,
            vec![effect],
        )))
    }

    /// What is asked for and not so yet.
    fn difference(&self, entry: &Entry, view: &View<'_>) -> Result<Access, HostError> {
        left(self.access(), entry, view)
    }

    pub(super) fn access(&self) -> Access {
        Access {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode,
        }
    }

    /// What a new entry is born with, for a plan's line: "0644 root:root".
    pub(super) fn born(&self, mode: u32) -> String {
        let mode = self.mode.unwrap_or(Mode::new(mode));
        let owner = self.owner.as_ref().map_or("root", UserName::as_str);
        let group = self.group.as_ref().map_or("root", GroupName::as_str);
        format!("{mode} {owner}:{group}")
    }
}

/// What of an access is not so yet.
pub(in crate::block) fn left(
    mut access: Access,
    entry: &Entry,
    view: &View<'_>,
) -> Result<Access, HostError> {
    if access.mode == Some(entry.mode) {
        access.mode = None;
    }
    if let Some(owner) = &access.owner
        && view.owned_by(entry, owner)?
    {
        access.owner = None;
    }
    if let Some(group) = &access.group
        && view.grouped_by(entry, group)?
    {
        access.group = None;
    }
    Ok(access)
}
