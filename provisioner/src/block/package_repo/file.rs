//! A small file of root's own, mode 0644, with its directory made where it is missing.

use crate::block::Decision;
use crate::block::own_file::{missing_dirs, not_roots};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, Mode};
use crate::view::View;

/// What must be done to a file; nothing if it is as it should be.
type Judged = Result<Result<Vec<Effect>, Decision>, HostError>;

/// What the host must be asked for it.
pub(super) fn reads(path: &AbsPath) -> [Key; 2] {
    [Key::Path(path.clone()), Key::Content(path.clone())]
}

/// A file must hold exactly this.
pub(super) fn hold(path: &AbsPath, bytes: &[u8], view: &View<'_>) -> Judged {
    let entry = match view.path(path)? {
        Fate::Is(entry) => entry,
        Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
    };
    let (owner, group) = not_roots(entry.as_ref(), view);
    let mode = Mode::new(0o644);
    let content = Content::Inline(bytes.into());
    if let Some(entry) = &entry {
        let EntryKind::File { size } = entry.kind else {
            let why = format!("{path} is there and is no file; remove it first");
            return Ok(Err(Decision::Blocked(why)));
        };
        if entry.mode == mode
            && owner.is_none()
            && group.is_none()
            && size == content.size()
            && view.hash(path)? == Fate::Is(Some(content.hash()))
        {
            return Ok(Ok(Vec::new()));
        }
    }
    let mut effects: Vec<Effect> = match missing_dirs(path, view)? {
        Ok(missing) => missing.into_iter().map(directory).collect(),
        Err(decision) => return Ok(Err(decision)),
    };
    effects.push(Effect::WriteFile(WriteFile {
        path: path.clone(),
        content,
        access: Access {
            owner,
            group,
            mode: Some(mode),
        },
        verify: None,
        secret: false,
    }));
    Ok(Ok(effects))
}

/// A file must not be there.
pub(super) fn lack(path: &AbsPath, view: &View<'_>) -> Judged {
    Ok(match view.path(path)? {
        Fate::Is(None) => Ok(Vec::new()),
        Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => Err(Decision::Blocked(format!(
            "{path} is a directory; remove it first"
        ))),
        Fate::Is(Some(_)) => Ok(vec![Effect::Remove {
            path: path.clone(),
            recursive: false,
        }]),
        Fate::Unknown(cause) => Err(Decision::Maybe(cause)),
    })
}

fn directory(path: AbsPath) -> Effect {
    Effect::MakeDir {
        path,
        access: Access::default(),
    }
}
