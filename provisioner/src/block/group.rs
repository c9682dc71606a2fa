//! `[[group]]`: a group of users.

use serde::Deserialize;

use crate::block::sudo::{self, Sudo};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Effect, GroupEdit};
use crate::host::overlay::Fate;
use crate::host::{Group as Seen, HostError, Key};
use crate::name::{AbsPath, GroupName, UserName};
use crate::view::View;

/// A group of users, and who must be in it.
///
/// ```toml
/// [[group]]
/// name = "web"
/// system = true
/// members = ["ana"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's name: 1 to 32 of a-z, 0-9, `_` and `-`, such as `"web"`.
    name: GroupName,
    /// Its number, such as 1099; the system picks one if it is not given.
    gid: Option<u32>,
    /// Whether the number is taken from the range of system groups; false. A group that is there keeps
    /// its own.
    #[serde(default)]
    system: bool,
    /// Users who must be members, such as `["ana", "bo"]`; none. Others stay.
    #[serde(default)]
    members: Vec<UserName>,
    /// Whether members may use sudo for everything without a password; false. It lies in
    /// `/etc/sudoers.d/hpt-group-NAME`, which is removed when this is not said.
    #[serde(default)]
    passwordless_sudo: bool,
    /// It must not be there; false.
    #[serde(default)]
    absent: bool,
}

impl Kind for Group {
    const NAME: &'static str = "group";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.absent && (self.passwordless_sudo || !self.members.is_empty()) {
            complain(
                "absent",
                "an absent group has no members and no sudo".to_owned(),
            );
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::Group(self.name.clone())];
        keys.extend(sudo::reads(&self.sudoers()));
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.to_string().into());
        let holding = Holding::of([Key::Group(self.name.clone())]);
        vec![holding.absent_by("group", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let group = match view.group(&self.name)? {
            Fate::Is(group) => group,
            // A package may bring it; an absence that is not known is not acted upon.
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        let rules = if self.passwordless_sudo {
            vec![format!("%{} ALL=(ALL:ALL) NOPASSWD: ALL", self.name)]
        } else {
            Vec::new()
        };
        let sudoers = match sudo::decide(&self.sudoers(), &rules, view)? {
            Sudo::InPlace => None,
            Sudo::Act(effect) => Some(effect),
            Sudo::Stop(decision) => return Ok(decision),
        };
        let (verb, edits, mut words) = match &group {
            _ if self.absent => (Verb::Delete, self.removal(group.as_ref()), Vec::new()),
            None => (Verb::Create, self.creation(), self.creation_words()),
            Some(group) => {
                let (edits, words) = self.change(group);
                (Verb::Update, edits, words)
            }
        };
        words.extend(sudoers.as_ref().map(|effect| match effect {
            Effect::Remove { .. } => "no sudo".to_owned(),
            _ => "sudo without a password".to_owned(),
        }));
        let mut effects: Vec<Effect> = edits.into_iter().map(Effect::Group).collect();
        effects.extend(sudoers);
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        if !view.powers().accounts {
            let why = "groups are made and changed by root with groupadd; hpt is not root, the tool is not there, or this root has no /etc/group";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        let has = group.as_ref().and_then(|group| group.gid);
        if let Some(gid) = self.gid.filter(|gid| !self.absent && has != Some(*gid))
            && let Fate::Is(Some(other)) = view.group_numbered(gid)?
            && other != self.name
        {
            return Ok(Decision::Blocked(format!(
                "the gid {gid} is that of the group {other}; choose another, or remove that group before this block"
            )));
        }
        if self.absent
            && let Some(user) = view.primary_user(&self.name)?
        {
            return Ok(Decision::Blocked(format!(
                "{} is the primary group of {user}; remove that user, or give them another `group`, in a [[user]] block before this one",
                self.name
            )));
        }
        let there = group.map(|group| group.members).unwrap_or_default();
        for member in self.missing(&there) {
            if let Some(stop) = Decision::without_accounts(Some(member), None, view)? {
                return Ok(stop);
            }
        }
        Ok(Decision::Act(Action::new(verb, words.join(", "), effects)))
    }
}

impl Group {
    fn sudoers(&self) -> AbsPath {
        sudo::path("group", self.name.as_str())
    }

    fn removal(&self, group: Option<&Seen>) -> Vec<GroupEdit> {
        group
            .map(|_| GroupEdit::Remove {
                name: self.name.clone(),
            })
            .into_iter()
            .collect()
    }

    fn creation(&self) -> Vec<GroupEdit> {
        let add = GroupEdit::Add {
            name: self.name.clone(),
            gid: self.gid,
            system: self.system,
        };
        let members = self.joining(&[]);
        std::iter::once(add).chain(members).collect()
    }

    fn creation_words(&self) -> Vec<String> {
        let gid = self.gid.map(|gid| format!("gid {gid}"));
        let system = (self.system && self.gid.is_none()).then(|| "a system group".to_owned());
        gid.into_iter()
            .chain(system)
            .chain(self.members_words(&[]))
            .collect()
    }

    fn change(&self, group: &Seen) -> (Vec<GroupEdit>, Vec<String>) {
        let mut edits = Vec::new();
        let mut words = Vec::new();
        if let Some(gid) = self.gid
            && group.gid != Some(gid)
        {
            let was = group.gid.map_or_else(|| "?".to_owned(), |g| g.to_string());
            words.push(format!("gid {was} -> {gid}"));
            edits.push(GroupEdit::SetGid {
                name: self.name.clone(),
                gid,
            });
        }
        edits.extend(self.joining(&group.members));
        words.extend(self.members_words(&group.members));
        (edits, words)
    }

    fn missing<'a>(&'a self, there: &'a [UserName]) -> impl Iterator<Item = &'a UserName> {
        self.members.iter().filter(|m| !there.contains(m))
    }

    fn joining(&self, there: &[UserName]) -> Option<GroupEdit> {
        let members: Vec<_> = self.missing(there).cloned().collect();
        (!members.is_empty()).then(|| GroupEdit::AddMembers {
            name: self.name.clone(),
            members,
        })
    }

    fn members_words(&self, there: &[UserName]) -> Option<String> {
        let names: Vec<_> = self.missing(there).map(UserName::as_str).collect();
        (!names.is_empty()).then(|| format!("members {}", names.join(" ")))
    }
}
