//! Who can become root by sudo, and that a block does not take that right from the last of them.
//!
//! What is not understood for certain counts as somebody who can: nothing is refused for its sake.

mod rules;

use std::collections::BTreeSet;
use std::path::Path;

use self::rules::{Grant, Holder, Rules};
use crate::block::{Action, Decision};
use crate::effect::{Effect, Expiry, GroupEdit, UserEdit};
use crate::host::HostError;
use crate::host::overlay::Fate;
use crate::name::{AbsPath, GroupName, UserName};
use crate::view::View;

const RULES: &str = "/etc/sudoers";
const MORE_RULES: &str = "/etc/sudoers.d";

/// Who can become root by sudo on a host.
#[derive(Default)]
struct Sudoers {
    /// These can, root aside.
    sure: BTreeSet<UserName>,
    /// Others may.
    vague: bool,
}

/// A decision, unless it takes the right to sudo from the last who has it.
pub(super) fn guard(decision: Decision, view: &View<'_>) -> Decision {
    let Decision::Act(action) = &decision else {
        return decision;
    };
    if view.scope().allow_no_sudoer || !may_take(action, view) {
        return decision;
    }
    let before = Sudoers::find(view, &[]);
    if before.sure.is_empty() {
        return decision;
    }
    let ending = ending(action);
    let after = view.afterwards(&action.effects, |view| Sudoers::find(view, &ending));
    if after.vague || !after.sure.is_empty() {
        return decision;
    }
    Decision::Blocked(format!(
        "after this nobody could become root by sudo: {} could until now, and is the last; give sudo to another user before this block, or say `allow_no_sudoer = true` in [settings]",
        names(&before.sure)
    ))
}

/// Whether an action is of the sort that takes rights away, so that more must be read.
fn may_take(action: &Action, view: &View<'_>) -> bool {
    let rules = |path: &AbsPath| {
        let path = path.as_path();
        path.starts_with(RULES)
            || path.starts_with(MORE_RULES)
            || Path::new(RULES).starts_with(path)
    };
    // A new file takes nothing from anybody; a config may make many.
    let is_new = |path: &AbsPath| matches!(view.path(path), Ok(Fate::Is(None)));
    action.effects.iter().any(|effect| match effect {
        Effect::User(UserEdit::Remove { .. })
        | Effect::Group(GroupEdit::Remove { .. } | GroupEdit::SetGid { .. }) => true,
        Effect::User(UserEdit::Modify { to, .. }) => {
            !to.leave.is_empty()
                || to.group.is_some()
                || to.locked == Some(true)
                || matches!(to.expires, Some(Expiry::On(_)))
        }
        Effect::WriteFile(file) => rules(&file.path) && !is_new(&file.path),
        Effect::Link { path, .. } => rules(path) && !is_new(path),
        Effect::Remove { path, .. } => rules(path),
        _ => false,
    })
}

/// The users whose account gets a last day. There is no clock here, and one that is still to come
/// takes the right all the same, unwatched.
fn ending(action: &Action) -> Vec<&UserName> {
    let ending = action.effects.iter().filter_map(|effect| match effect {
        Effect::User(UserEdit::Modify { name, to }) => {
            matches!(to.expires, Some(Expiry::On(_))).then_some(name)
        }
        _ => None,
    });
    ending.collect()
}

fn names(all: &BTreeSet<UserName>) -> String {
    let mut names = all.iter().map(UserName::as_str);
    match (names.next(), names.next(), names.count()) {
        (Some(one), Some(two), 0) => format!("{one} or {two}"),
        (Some(one), Some(two), more) => format!("{one}, {two} or one of {more} more"),
        (one, ..) => one.unwrap_or_default().to_owned(),
    }
}

impl Sudoers {
    fn find(view: &View<'_>, ending: &[&UserName]) -> Self {
        let mut found = Self {
            vague: has_accounts_elsewhere(view),
            ..Self::default()
        };
        let path = |text| AbsPath::parse(text).expect("a plain path");
        if found.read(&path(RULES), view, ending) {
            match known(view.entries(&path(MORE_RULES))) {
                // sudo itself passes over the others.
                Some(names) => names
                    .iter()
                    .filter(|name| !name.contains('.') && !name.ends_with('~'))
                    .for_each(|name| match path(MORE_RULES).join(name) {
                        Ok(path) => drop(found.read(&path, view, ending)),
                        Err(_) => found.vague = true,
                    }),
                None => found.vague = true,
            }
        }
        found
    }

    /// Adds what one file grants; whether it has the others read too.
    fn read(&mut self, path: &AbsPath, view: &View<'_>, ending: &[&UserName]) -> bool {
        let Some(text) = known(view.read(path)) else {
            self.vague = true;
            return false;
        };
        let rules = Rules::parse(&String::from_utf8_lossy(&text.unwrap_or_default()));
        self.vague |= rules.vague;
        for grant in &rules.grants {
            match &grant.holder {
                Holder::User(name) => self.add(name, grant, view, ending),
                Holder::Group(group) => match members(group, view) {
                    Some(names) => names
                        .iter()
                        .for_each(|name| self.add(name, grant, view, ending)),
                    None => self.vague = true,
                },
            }
        }
        rules.more
    }

    /// Counts the holder of a grant, if there is such an account that can be used.
    fn add(&mut self, name: &UserName, grant: &Grant, view: &View<'_>, ending: &[&UserName]) {
        if name.as_str() == "root" || ending.contains(&name) {
            return;
        }
        match known(view.user(name)) {
            None => self.vague = true,
            Some(None) => {}
            // A password that is locked opens nothing; one that was never set still may be.
            Some(Some(user)) if grant.password && user.locked && user.password.is_some() => {}
            Some(Some(user)) => match user.expires {
                Some(Expiry::On(_)) => self.vague = true, // it may have come to its end
                _ => drop(self.sure.insert(name.clone())),
            },
        }
    }
}

/// Those who are in a group; `None` if that is not known.
fn members(group: &GroupName, view: &View<'_>) -> Option<Vec<UserName>> {
    let seen = known(view.group(group))?;
    let Some(seen) = seen else {
        return Some(Vec::new());
    };
    let primary = view.primary_user(group).ok()?;
    Some(seen.members.into_iter().chain(primary).collect())
}

/// Whether accounts or rules come from elsewhere than this host's own files.
fn has_accounts_elsewhere(view: &View<'_>) -> bool {
    let path = |text| AbsPath::parse(text).expect("a plain path");
    let Some(text) = known(view.read(&path("/etc/nsswitch.conf"))) else {
        return true;
    };
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut sources = lines
        .filter(|(what, _)| ["passwd", "group", "sudoers"].contains(&what.trim()))
        .flat_map(|(_, sources)| sources.split('#').next().into_iter())
        .flat_map(str::split_whitespace);
    sources.any(|source| match source {
        "files" | "compat" | "systemd" => false,
        // Some systems name it always; without a file of its own it knows of nobody else.
        "sss" => known(view.path(&path("/etc/sssd/sssd.conf"))) != Some(None),
        action => !action.starts_with('[') && !action.ends_with(']'),
    })
}

/// What is seen, if it could be read and is known by now.
fn known<T>(seen: Result<Fate<T>, HostError>) -> Option<T> {
    match seen {
        Ok(Fate::Is(seen)) => Some(seen),
        Ok(Fate::Unknown(_)) | Err(_) => None,
    }
}
