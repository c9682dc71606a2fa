//! A small file of root's own, mode 0644, with its directory made where it is missing.

use crate::block::Decision;
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::{Cause, Fate};
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::view::View;

/// What stands in the way of a file.
pub(super) enum Stop {
    Maybe(Cause),
    Blocked(String),
}

impl From<Stop> for Decision {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Maybe(cause) => Self::Maybe(cause),
            Stop::Blocked(why) => Self::Blocked(why),
        }
    }
}

/// What must be done to a file; nothing if it is as it should be.
type Judged = Result<Result<Vec<Effect>, Stop>, HostError>;

/// What the host must be asked for it.
pub(super) fn reads(path: &AbsPath) -> [Key; 2] {
    [Key::Path(path.clone()), Key::Content(path.clone())]
}

/// A file must hold exactly this.
pub(super) fn hold(path: &AbsPath, bytes: &[u8], view: &View<'_>) -> Judged {
    let entry = match view.path(path)? {
        Fate::Is(entry) => entry,
        Fate::Unknown(cause) => return Ok(Err(Stop::Maybe(cause))),
    };
    let access = Access {
        owner: Some(UserName::parse("root").expect("a plain name")),
        group: Some(GroupName::parse("root").expect("a plain name")),
        mode: Some(Mode::new(0o644)),
    };
    let content = Content::Inline(bytes.into());
    if let Some(entry) = &entry {
        let EntryKind::File { size } = entry.kind else {
            let why = format!("{path} is there and is no file; remove it first");
            return Ok(Err(Stop::Blocked(why)));
        };
        let root = UserName::parse("root").expect("a plain name");
        if entry.mode == Mode::new(0o644)
            && view.owned_by(entry, &root)?
            && size == content.size()
            && view.hash(path)? == Fate::Is(Some(content.hash()))
        {
            return Ok(Ok(Vec::new()));
        }
    }
    let mut effects = match directories(path, view)? {
        Ok(effects) => effects,
        Err(stop) => return Ok(Err(stop)),
    };
    effects.push(Effect::WriteFile(WriteFile {
        path: path.clone(),
        content,
        access,
        verify: None,
        secret: false,
    }));
    Ok(Ok(effects))
}

/// A file must not be there.
pub(super) fn lack(path: &AbsPath, view: &View<'_>) -> Judged {
    Ok(match view.path(path)? {
        Fate::Is(None) => Ok(Vec::new()),
        Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => Err(Stop::Blocked(format!(
            "{path} is a directory; remove it first"
        ))),
        Fate::Is(Some(_)) => Ok(vec![Effect::Remove {
            path: path.clone(),
            recursive: false,
        }]),
        Fate::Unknown(cause) => Err(Stop::Maybe(cause)),
    })
}

/// The directories that are missing above a path, from the topmost.
fn directories(path: &AbsPath, view: &View<'_>) -> Judged {
    let mut effects = Vec::new();
    for parent in std::iter::successors(path.parent(), AbsPath::parent) {
        match view.path(&parent)? {
            Fate::Is(Some(entry)) => match entry.kind {
                EntryKind::Dir | EntryKind::Symlink(_) => break,
                _ => return Ok(Err(Stop::Blocked(format!("{parent} is not a directory")))),
            },
            Fate::Unknown(cause) => return Ok(Err(Stop::Maybe(cause))),
            Fate::Is(None) => effects.insert(
                0,
                Effect::MakeDir {
                    path: parent,
                    access: Access::default(),
                },
            ),
        }
    }
    Ok(Ok(effects))
}
