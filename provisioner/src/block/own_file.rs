//! A file that is a block's own from the first byte to the last, such as one in `/etc/cron.d`.

use serde::Deserialize;

use crate::block::{Decision, text_file};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError, Key, Owner};
use crate::name::{AbsPath, BadName, GroupName, Mode, UserName};
use crate::view::View;

/// A file of root's that holds exactly this.
pub(super) struct OwnFile {
    pub(super) path: AbsPath,
    /// `None` if it must not be there.
    pub(super) text: Option<String>,
    pub(super) mode: Mode,
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

/// What the host must be asked for it.
pub(super) fn reads(path: &AbsPath) -> Vec<Key> {
    text_file::reads(path)
}

impl OwnFile {
    pub(super) fn judge(self, view: &View<'_>) -> Result<Judged, HostError> {
        let entry = match view.path(&self.path)? {
            Fate::Is(entry) => entry,
            Fate::Unknown(cause) => return Ok(Judged::Stop(Decision::Maybe(cause))),
        };
        let Some(text) = self.text else {
            return Ok(match entry {
                None => Judged::InPlace,
                Some(_) => Judged::Remove(Effect::Remove {
                    path: self.path,
                    recursive: false,
                }),
            });
        };
        let content = Content::Inline(text.into_bytes().into());
        // Whoever reads such files ignores one that is another's.
        let (owner, group) = not_roots(entry.as_ref(), view);
        if let Some(entry) = &entry
            && entry.mode == self.mode
            && owner.is_none()
            && group.is_none()
            && matches!(entry.kind, EntryKind::File { size } if size == content.size())
            && view.hash(&self.path)? == Fate::Is(Some(content.hash()))
        {
            return Ok(Judged::InPlace);
        }
        let is = match entry.as_ref().map(|entry| &entry.kind) {
            Some(EntryKind::Dir) => Some("a directory"),
            Some(EntryKind::Symlink(_)) => Some("a symbolic link"),
            Some(EntryKind::Special) => Some("a device, socket or FIFO"),
            _ => None,
        };
        if let Some(is) = is {
            let why = format!("{} is {is} and not a file; remove it first", self.path);
            return Ok(Judged::Stop(Decision::Blocked(why)));
        }
        let judged = match entry {
            None => Judged::Create,
            Some(_) => Judged::Update,
        };
        Ok(judged(Effect::WriteFile(WriteFile {
            path: self.path,
            content,
            access: Access {
                owner,
                group,
                mode: Some(self.mode),
            },
            verify: self.verify,
            secret: false,
        })))
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
