//! A file that is a block's own from the first byte to the last, such as one in `/etc/cron.d`.

use serde::Deserialize;

use crate::block::{Decision, Verb, text_file};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError, Key, Owner};
use crate::name::{AbsPath, BadName, GroupName, Mode, UserName};
use crate::unit_file;
use crate::view::View;

/// A file that holds exactly this.
pub(super) struct OwnFile {
    pub(super) path: AbsPath,
    /// `None` if it must not be there.
    pub(super) bytes: Option<Vec<u8>>,
    /// The mode, and root as the owner; `None` leaves both to whoever made the file.
    pub(super) mode: Option<Mode>,
    /// The program that must accept a new content; see [`WriteFile::verify`].
    pub(super) verify: Option<Vec<String>>,
}

/// What is to be done about such a file.
pub(super) enum Judged {
    /// It is as it should be.
    InPlace,
    /// It has to be made.
    Create(Effect),
    /// It has to be written anew.
    Update(Effect),
    /// It has to go.
    Remove(Effect),
    /// It cannot be judged, or cannot be.
    Stop(Decision),
}

/// What is to be done about such a file and the directories above it.
pub(super) enum Placed {
    /// It is as it should be.
    InPlace,
    /// This has to be done: its directories where they are not there, then the file.
    Act(Verb, Vec<Effect>),
    /// It cannot be judged, or cannot be.
    Stop(Decision),
}

/// What the host must be asked for it.
pub(super) fn reads(path: &AbsPath) -> Vec<Key> {
    text_file::reads(path)
}

impl OwnFile {
    /// A file that holds this for root and all, mode 0644.
    pub(super) fn public(path: &AbsPath, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.clone(),
            bytes: Some(bytes.into()),
            mode: Some(Mode::new(0o644)),
            verify: None,
        }
    }

    /// Judges it in a directory that is there.
    pub(super) fn judge(self, view: &View<'_>) -> Result<Judged, HostError> {
        let Some(bytes) = self.bytes else {
            return Ok(match removal(&self.path, view)? {
                Ok(None) => Judged::InPlace,
                Ok(Some(effect)) => Judged::Remove(effect),
                Err(decision) => Judged::Stop(decision),
            });
        };
        let entry = match view.path(&self.path)? {
            Fate::Is(entry) => entry,
            Fate::Unknown(cause) => return Ok(Judged::Stop(Decision::Maybe(cause))),
        };
        let content = Content::Inline(bytes.into());
        // Whoever reads such files ignores one that is another's.
        let (owner, group) = match self.mode {
            Some(_) => not_roots(entry.as_ref(), view),
            None => (None, None),
        };
        let judged = match &entry {
            None => Judged::Create,
            Some(entry) => {
                let EntryKind::File { size } = entry.kind else {
                    let why = in_the_way(&self.path, &entry.kind);
                    return Ok(Judged::Stop(Decision::Blocked(why)));
                };
                if self.mode.is_none_or(|mode| entry.mode == mode)
                    && owner.is_none()
                    && group.is_none()
                    && size == content.size()
                    && view.hash(&self.path)? == Fate::Is(Some(content.hash()))
                {
                    return Ok(Judged::InPlace);
                }
                Judged::Update
            }
        };
        Ok(judged(Effect::WriteFile(WriteFile {
            path: self.path,
            content,
            access: Access {
                owner,
                group,
                mode: self.mode,
            },
            verify: self.verify,
            secret: false,
        })))
    }

    /// Judges it with the directories above it.
    pub(super) fn place(self, view: &View<'_>) -> Result<Placed, HostError> {
        let path = self.path.clone();
        Ok(match self.judge(view)? {
            Judged::InPlace => Placed::InPlace,
            Judged::Stop(decision) => Placed::Stop(decision),
            Judged::Update(effect) => Placed::Act(Verb::Update, vec![effect]),
            Judged::Remove(effect) => Placed::Act(Verb::Delete, vec![effect]),
            Judged::Create(effect) => match missing_dirs(&path, view)? {
                Err(decision) => Placed::Stop(decision),
                Ok(dirs) => {
                    let dirs = dirs.into_iter().map(directory);
                    Placed::Act(Verb::Create, dirs.chain([effect]).collect())
                }
            },
        })
    }
}

/// What removes the file or link at `path`: nothing if it is not there.
pub(super) fn removal(
    path: &AbsPath,
    view: &View<'_>,
) -> Result<Result<Option<Effect>, Decision>, HostError> {
    Ok(match view.path(path)? {
        Fate::Unknown(cause) => Err(Decision::Maybe(cause)),
        Fate::Is(None) => Ok(None),
        Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => {
            Err(Decision::Blocked(in_the_way(path, &entry.kind)))
        }
        Fate::Is(Some(_)) => Ok(Some(Effect::Remove {
            path: path.clone(),
            recursive: false,
        })),
    })
}

/// What lies where a file should.
pub(super) fn in_the_way(path: &AbsPath, kind: &EntryKind) -> String {
    let is = match kind {
        EntryKind::Symlink(to)
            if to == "/dev/null" && path.parent() == Some(unit_file::system()) =>
        {
            return format!(
                "{path} is a link to /dev/null, so that the unit is masked; a [[service]] block with `masked = false` before this one removes it"
            );
        }
        EntryKind::Dir => "a directory",
        EntryKind::Symlink(_) => "a symbolic link",
        _ => "a device, socket or FIFO",
    };
    format!("{path} is {is} and not a file; remove it first")
}

/// A directory as the umask has it.
pub(super) fn directory(path: AbsPath) -> Effect {
    Effect::MakeDir {
        path,
        access: Access::default(),
    }
}

/// The owner and group that a file must be given to be root's; neither where it is so already. What
/// is new is root's, also in a root that has no accounts. Who is not root owns all that he makes, and
/// can give it to nobody.
pub(super) fn not_roots(
    entry: Option<&Entry>,
    view: &View<'_>,
) -> (Option<UserName>, Option<GroupName>) {
    let given = entry.filter(|_| view.powers().chown);
    let root = UserName::parse("root").expect("a plain name");
    let roots = [Owner::Id(0), Owner::Named(root.clone())];
    let owner = given.filter(|entry| !roots.contains(&entry.owner));
    let owner = owner.map(|_| root);
    let root = GroupName::parse("root").expect("a plain name");
    let roots = [Owner::Id(0), Owner::Named(root.clone())];
    let group = given.filter(|entry| !roots.contains(&entry.group));
    (owner, group.map(|_| root))
}

/// The directories above `path` that are not there, the highest first.
pub(super) fn missing_dirs(
    path: &AbsPath,
    view: &View<'_>,
) -> Result<Result<Vec<AbsPath>, Decision>, HostError> {
    let mut dirs = Vec::new();
    for dir in std::iter::successors(path.parent(), AbsPath::parent) {
        match view.path(&dir)? {
            Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
            Fate::Is(Some(entry)) => match entry.kind {
                EntryKind::Dir | EntryKind::Symlink(_) => break,
                _ => {
                    return Ok(Err(Decision::Blocked(format!(
                        "{dir} is not a directory; remove it first"
                    ))));
                }
            },
            Fate::Is(None) => dirs.insert(0, dir),
        }
    }
    Ok(Ok(dirs))
}

/// The name of a file in a directory whose reader ignores names with a `.` or a `~`: 1 to 64 of
/// letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlainName(String);

impl PlainName {
    pub(super) fn parse(text: &str) -> Result<Self, BadName> {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
        if (1..=64).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('-') {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName(
            "a name here is 1 to 64 of letters, digits, `_` and `-`, and does not begin with `-`",
        ))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of this name in a directory.
    pub(super) fn within(&self, dir: &str) -> AbsPath {
        AbsPath::parse(&format!("{dir}/{}", self.0)).expect("a plain part of a path")
    }
}

impl<'de> Deserialize<'de> for PlainName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}
