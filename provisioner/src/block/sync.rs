//! `[[sync]]`: a directory that holds what another one does.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::block::file::access;
use crate::block::own_file::missing_dirs;
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::{Cause, Fate};
use crate::host::{Entry, EntryKind, HostError, Key};
use crate::listing::{Below, Listed, Listing};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::source::{Blob, Need, Source};
use crate::view::View;

/// A directory that holds the files of another one: of the machine that starts the run, of a bucket or
/// of a git repository. Files are compared by their content, so that nothing is sent or written that
/// is there already. Symbolic links in the source are not copied: they are an error.
///
/// ```toml
/// [[sync]]
/// source = "static"
/// dest = "/var/www/static"
/// delete = true
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// The directory: a path beside the config, or `NAME://prefix` in a `[bucket.NAME]` or
    /// `[repo.NAME]`. About 8,000 files at most, of at most 2 GiB each.
    source: Source,
    /// Where its files go, absolute. The directory is made, with its parents, if it is not there.
    dest: AbsPath,
    /// Removes what is in `dest` and not in the source; false. A plan names all that would go.
    #[serde(default)]
    delete: bool,
    /// The user who owns all of it; root owns what is new if it is not given.
    owner: Option<UserName>,
    /// The group of all of it; root's for what is new if it is not given.
    group: Option<GroupName>,
    /// Permission bits of every file such as "0644"; "0755" for what can be executed in the source and
    /// "0644" for the rest if it is not given.
    mode: Option<Mode>,
    /// Permission bits of every directory such as "0755"; new ones get 0755 if it is not given, and
    /// those that are there keep theirs.
    dir_mode: Option<Mode>,
}

impl Kind for Sync {
    const NAME: &'static str = "sync";

    fn primary(&self) -> String {
        self.dest.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if let Source::Https(_) = self.source {
            let what = "a tree is a directory, or NAME://prefix of a bucket or repository; an [[archive]] comes by https";
            complain("source", what.to_owned());
        }
        if self.dest.parent().is_none() {
            complain("dest", "`/` is not the copy of a directory".to_owned());
        }
        for (key, mode) in [("mode", self.mode), ("dir_mode", self.dir_mode)] {
            if mode.is_some_and(Mode::sets_id) {
                complain(
                    key,
                    "a tree of files gets no set-uid or set-gid bits".to_owned(),
                );
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::Path(self.dest.clone())];
        keys.extend(self.owner.clone().map(Key::User));
        keys.extend(self.group.clone().map(Key::Group));
        keys
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        vec![&mut self.source]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need {
            source: self.source.clone(),
            sha256: None,
            secret: false,
            read: true,
            tree: true,
        }]
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Path(self.dest.clone())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let (owner, group) = (self.owner.as_ref(), self.group.as_ref());
        if let Some(other) = Decision::without_accounts(owner, group, view)? {
            return Ok(other);
        }
        let listing = view.listing(&self.source)?;
        let mut work = Work::default();
        match self.judge(&listing, &mut work, view) {
            Err(Stop::Fault(error)) => Err(error),
            Err(Stop::Decision(decision)) => Ok(decision),
            Ok(()) if work.hands && !view.powers().chown => Ok(Decision::Blocked(
                "only root can give files to another owner or group; run hpt as root".to_owned(),
            )),
            Ok(()) => Ok(work.decide(self.delete)),
        }
    }
}

/// What ends the look at a tree early.
enum Stop {
    Decision(Decision),
    Fault(HostError),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Fault(error)
    }
}

/// What is known or must stop the look.
fn known<T>(fate: Fate<T>) -> Result<T, Stop> {
    match fate {
        Fate::Is(known) => Ok(known),
        Fate::Unknown(Cause(by)) => Err(Stop::Decision(Decision::Maybe(Cause(by)))),
    }
}

fn blocked<T>(why: String) -> Result<T, Stop> {
    Err(Stop::Decision(Decision::Blocked(why)))
}

impl Sync {
    fn judge(&self, listing: &Listing, work: &mut Work, view: &View<'_>) -> Result<(), Stop> {
        let dest = known(view.path(&self.dest)?)?;
        let is_new = dest.is_none();
        if is_new {
            for path in missing_dirs(&self.dest, view)?.map_err(Stop::Decision)? {
                let access = Access::default();
                work.effects.push(Effect::MakeDir { path, access });
            }
            work.is_new = true;
        }
        self.judge_dir(&self.dest, dest.as_ref(), work, view)?;
        if self.delete && !is_new {
            self.judge_others(listing, None, work, view)?;
        }
        let mut new_dirs = BTreeSet::new();
        for (below, listed) in listing.iter() {
            let path = below.within(&self.dest);
            let path = path.map_err(|why| HostError::Refused(format!("{}: {why}", self.source)))?;
            let below_new = is_new || path.parent().is_some_and(|dir| new_dirs.contains(&dir));
            let entry = if below_new || work.gone.contains(&path) {
                None
            } else {
                known(view.path(&path)?)?
            };
            match listed {
                Listed::Dir => {
                    if entry.is_none() {
                        new_dirs.insert(path.clone());
                    }
                    self.judge_dir(&path, entry.as_ref(), work, view)?;
                }
                Listed::File {
                    content,
                    executable,
                } => self.judge_file(&path, content, *executable, entry.as_ref(), work, view)?,
            }
        }
        Ok(())
    }

    /// What lies in a directory of the tree and is none of it has to go, and so has what is of another
    /// sort than it should be.
    fn judge_others(
        &self,
        listing: &Listing,
        dir: Option<&Below>,
        work: &mut Work,
        view: &View<'_>,
    ) -> Result<(), Stop> {
        let at = dir.map_or_else(|| Ok(self.dest.clone()), |dir| dir.within(&self.dest));
        let at = at.map_err(|why| HostError::Refused(why.to_string()))?;
        for name in known(view.entries(&at)?)? {
            let below = match dir {
                Some(dir) => format!("{}/{name}", dir.as_str()),
                None => name,
            };
            let found = Below::parse(&below).and_then(|b| b.within(&self.dest).map(|p| (b, p)));
            let Ok((below, path)) = found else {
                return blocked(format!(
                    "{at} holds a name that hpt cannot write; remove it first"
                ));
            };
            let kind = known(view.path(&path)?)?.map(|entry| entry.kind);
            match (kind, listing.get(&below)) {
                (None, _) | (Some(EntryKind::File { .. }), Some(Listed::File { .. })) => {}
                (Some(EntryKind::Dir), Some(Listed::Dir)) => {
                    self.judge_others(listing, Some(&below), work, view)?;
                }
                (Some(kind), _) => {
                    work.remove(path, kind == EntryKind::Dir);
                }
            }
        }
        Ok(())
    }

    fn judge_dir(
        &self,
        path: &AbsPath,
        entry: Option<&Entry>,
        work: &mut Work,
        view: &View<'_>,
    ) -> Result<(), Stop> {
        let wanted = Access {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.dir_mode,
        };
        match entry.map(|entry| &entry.kind) {
            None => {
                work.hands |= wanted.owner.is_some() || wanted.group.is_some();
                work.effects.push(Effect::MakeDir {
                    path: path.clone(),
                    access: wanted,
                });
            }
            Some(EntryKind::Dir) => work.set(path, wanted, entry, view)?,
            Some(_) => {
                return blocked(format!("{path} is not a directory; remove it first"));
            }
        }
        Ok(())
    }

    fn judge_file(
        &self,
        path: &AbsPath,
        content: &Blob,
        executable: bool,
        entry: Option<&Entry>,
        work: &mut Work,
        view: &View<'_>,
    ) -> Result<(), Stop> {
        let mode = Mode::new(if executable { 0o755 } else { 0o644 });
        let wanted = Access {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: Some(self.mode.unwrap_or(mode)),
        };
        match entry.map(|entry| &entry.kind) {
            None => {
                work.hands |= wanted.owner.is_some() || wanted.group.is_some();
                work.new += 1;
            }
            Some(EntryKind::File { size }) => {
                let same = *size == content.size && known(view.hash(path)?)? == Some(content.hash);
                if same {
                    return Ok(work.set(path, wanted, entry, view)?);
                }
                work.changed += 1;
            }
            Some(_) => {
                return blocked(format!(
                    "{path} is not a file; remove it first, or say `delete = true`"
                ));
            }
        }
        work.effects.push(Effect::WriteFile(WriteFile {
            path: path.clone(),
            content: Content::Blob {
                hash: content.hash,
                size: content.size,
                only: false,
            },
            access: wanted,
            verify: None,
            secret: false,
        }));
        Ok(())
    }
}

/// What there is to do for a tree.
#[derive(Default)]
struct Work {
    effects: Vec<Effect>,
    /// What is removed before the rest is done.
    gone: BTreeSet<AbsPath>,
    is_new: bool,
    new: usize,
    changed: usize,
    access: usize,
    /// Whether anything is given to another owner or group.
    hands: bool,
}

impl Work {
    fn remove(&mut self, path: AbsPath, recursive: bool) {
        self.effects.push(Effect::Remove {
            path: path.clone(),
            recursive,
        });
        self.gone.insert(path);
    }

    fn set(
        &mut self,
        path: &AbsPath,
        wanted: Access,
        entry: Option<&Entry>,
        view: &View<'_>,
    ) -> Result<(), HostError> {
        let Some(entry) = entry else {
            return Ok(());
        };
        let access = access::left(wanted, entry, view)?;
        if access != Access::default() {
            self.hands |= access.owner.is_some() || access.group.is_some();
            self.access += 1;
            self.effects.push(Effect::SetAccess {
                path: path.clone(),
                access,
            });
        }
        Ok(())
    }

    fn decide(self, alone: bool) -> Decision {
        if self.effects.is_empty() {
            return Decision::InPlace;
        }
        let files = self.new + self.changed;
        let count = |n: usize, one: &str, more: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        };
        let parts = [
            count(files, "file", "files"),
            count(self.access, "mode or owner", "modes or owners"),
            count(self.gone.len(), "goes", "go"),
        ];
        let mut words: Vec<_> = parts.into_iter().flatten().collect();
        if words.is_empty() {
            words.push("directories".to_owned());
        }
        let verb = if self.is_new {
            Verb::Create
        } else {
            Verb::Update
        };
        let action = Action::new(verb, words.join(", "), self.effects);
        Decision::Act(Action { alone, ..action })
    }
}
