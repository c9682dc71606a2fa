//! A directory that is there: who owns what it holds, and what has no business in it.

use std::path::{Path, PathBuf};

use crate::block::file::{File, access};
use crate::block::{Action, Decision, Verb};
use crate::effect::{Access, Effect};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError};
use crate::name::{AbsPath, UnitName};
use crate::unit_file;
use crate::view::View;

/// The most that a directory whose owner is asked for may hold.
const MOST: usize = 50_000;

impl File {
    pub(super) fn change_directory(
        &self,
        entry: &Entry,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        let mut decision = self.only_access(entry, view)?;
        if self.purge {
            decision = match self.others(view)? {
                Fate::Is(others) => with(decision, others, "purge"),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            };
        }
        if self.recurse {
            decision = match self.given_away(view)? {
                Fate::Is(Ok(given)) => with(decision, given, "owners of what it holds"),
                Fate::Is(Err(why)) => return Ok(Decision::Blocked(why)),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            };
        }
        Ok(match decision {
            Decision::Act(action) => Decision::Act(Action {
                alone: self.purge || self.recurse,
                ..action
            }),
            other => other,
        })
    }

    /// The removal of all that lies here and that no block is about.
    fn others(&self, view: &View<'_>) -> Result<Fate<Vec<Effect>>, HostError> {
        let names = match view.entries(&self.path)? {
            Fate::Is(names) => names,
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
        };
        let keys = match key_dirs(view)? {
            Fate::Is(keys) => keys,
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
        };
        let holds_keys = |path: &AbsPath| keys.iter().any(|dir| dir.starts_with(path.as_path()));
        let mut effects = Vec::new();
        for name in names {
            let path = self.path.join(&name);
            let path = path.map_err(|why| {
                HostError::Refused(format!("{} holds {name:?}, which stays: {why}", self.path))
            })?;
            if view.is_claimed(&path) || holds_keys(&path) {
                continue;
            }
            match view.path(&path)? {
                Fate::Is(None) => {}
                Fate::Is(Some(entry)) if enables(&path, &entry, view)? => {}
                Fate::Is(Some(entry)) => effects.push(Effect::Remove {
                    recursive: entry.kind == EntryKind::Dir,
                    path,
                }),
                Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
            }
        }
        Ok(Fate::Is(effects))
    }

    /// The changes of owner and group of all that lies below.
    fn given_away(&self, view: &View<'_>) -> Result<Fate<Result<Vec<Effect>, String>>, HostError> {
        let mut effects = Vec::new();
        let mut ahead = vec![self.path.clone()];
        let mut seen = 0;
        while let Some(dir) = ahead.pop() {
            let names = match view.entries(&dir)? {
                Fate::Is(names) => names,
                Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
            };
            for name in names {
                seen += 1;
                if seen > MOST {
                    let why = format!("{} holds more than 50,000 entries", self.path);
                    return Ok(Fate::Is(Err(why)));
                }
                let Ok(path) = dir.join(&name) else {
                    let why = format!("{dir} holds a name that hpt cannot write");
                    return Ok(Fate::Is(Err(why)));
                };
                let entry = match view.path(&path)? {
                    Fate::Is(None) => continue,
                    Fate::Is(Some(entry)) => entry,
                    Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
                };
                if matches!(entry.kind, EntryKind::File { .. } | EntryKind::Dir) {
                    effects.extend(self.gift(&path, &entry, view)?);
                }
                if entry.kind == EntryKind::Dir {
                    ahead.push(path);
                }
            }
        }
        if !effects.is_empty() && !view.powers().chown {
            let why = "only root can give a file to another owner or group; run hpt as root";
            return Ok(Fate::Is(Err(why.to_owned())));
        }
        Ok(Fate::Is(Ok(effects)))
    }

    fn gift(
        &self,
        path: &AbsPath,
        entry: &Entry,
        view: &View<'_>,
    ) -> Result<Option<Effect>, HostError> {
        let wanted = Access {
            mode: None,
            ..self.access()
        };
        let access = access::left(wanted, entry, view)?;
        let path = path.clone();
        Ok((access != Access::default()).then_some(Effect::SetAccess { path, access }))
    }
}

/// Where the keys lie that blocks keep: below the homes of their users.
fn key_dirs(view: &View<'_>) -> Result<Fate<Vec<PathBuf>>, HostError> {
    let mut dirs = Vec::new();
    for name in &view.scope().keyed {
        match view.user(name)? {
            Fate::Is(user) => dirs.extend(user.map(|user| Path::new(&user.home).join(".ssh"))),
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
        }
    }
    Ok(Fate::Is(dirs))
}

/// Whether what lies here enables or masks a unit that a block is about, or holds what does.
fn enables(path: &AbsPath, entry: &Entry, view: &View<'_>) -> Result<bool, HostError> {
    let units = &view.scope().units;
    if units.is_empty() {
        return Ok(false);
    }
    let is_unit = |name: &str| UnitName::parse(name).is_ok_and(|name| units.contains(&name));
    let is_own = || path.name().is_some_and(is_unit);
    let system = unit_file::system();
    if system.as_path().starts_with(path.as_path()) {
        return Ok(true);
    }
    let Ok(below) = path.as_path().strip_prefix(system.as_path()) else {
        return Ok(false);
    };
    Ok(match &entry.kind {
        EntryKind::Symlink(to) => is_own() || to.rsplit('/').next().is_some_and(is_unit),
        EntryKind::Dir if below.components().count() <= 1 => match view.entries(path)? {
            Fate::Is(names) => names.iter().any(|name| is_unit(name)),
            Fate::Unknown(_) => true,
        },
        _ => false,
    })
}

/// A decision with more to do.
fn with(decision: Decision, more: Vec<Effect>, words: &str) -> Decision {
    if more.is_empty() {
        return decision;
    }
    match decision {
        Decision::Act(mut action) => {
            action.summary = format!("{}, {words}", action.summary);
            action.effects.extend(more);
            Decision::Act(action)
        }
        Decision::InPlace => Decision::Act(Action::new(Verb::Update, words, more)),
        other => other,
    }
}
