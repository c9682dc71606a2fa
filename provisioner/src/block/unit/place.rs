//! A file in `/etc/systemd/system`: whether it holds what it should, for root and readable by all.

use crate::block::own_file::{missing_dirs, not_roots};
use crate::block::{Decision, Verb};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError};
use crate::name::{AbsPath, Mode};
use crate::view::View;

/// systemd's own tool for looking at units.
pub(in crate::block) const ANALYZE: &str = "/usr/bin/systemd-analyze";

/// What is to be done about a unit's file.
pub(in crate::block) enum Placed {
    /// It is as it should be.
    InPlace,
    /// This has to be done: its directories where they are not there, then the file.
    Write(Verb, Vec<Effect>),
    /// It cannot be judged, or cannot be.
    Stop(Decision),
}

/// Judges the file at `path`, which should hold `text`, and which `check` must accept.
pub(in crate::block) fn judge(
    path: &AbsPath,
    text: &str,
    check: Option<Vec<String>>,
    view: &View<'_>,
) -> Result<Placed, HostError> {
    let entry = match view.path(path)? {
        Fate::Is(entry) => entry,
        Fate::Unknown(cause) => return Ok(Placed::Stop(Decision::Maybe(cause))),
    };
    let content = Content::Inline(text.as_bytes().into());
    let (owner, group) = not_roots(entry.as_ref(), view);
    let mode = Mode::new(0o644);
    let mut effects = Vec::new();
    let verb = match &entry {
        None => {
            let dirs = match missing_dirs(path, view)? {
                Ok(dirs) => dirs,
                Err(decision) => return Ok(Placed::Stop(decision)),
            };
            let access = Access::default;
            effects.extend(dirs.into_iter().map(|path| Effect::MakeDir {
                path,
                access: access(),
            }));
            Verb::Create
        }
        Some(entry) => match &entry.kind {
            EntryKind::File { size } => {
                let same = owner.is_none()
                    && group.is_none()
                    && entry.mode == mode
                    && *size == content.size()
                    && view.hash(path)? == Fate::Is(Some(content.hash()));
                if same {
                    return Ok(Placed::InPlace);
                }
                Verb::Update
            }
            other => return Ok(Placed::Stop(Decision::Blocked(in_the_way(path, other)))),
        },
    };
    effects.push(Effect::WriteFile(WriteFile {
        path: path.clone(),
        content,
        access: Access {
            owner,
            group,
            mode: Some(mode),
        },
        verify: check,
        secret: false,
    }));
    Ok(Placed::Write(verb, effects))
}

/// What removes the file at `path`: nothing if it is not there.
pub(in crate::block) fn remove(
    path: &AbsPath,
    view: &View<'_>,
) -> Result<Result<Option<Effect>, Decision>, HostError> {
    Ok(match view.path(path)? {
        Fate::Unknown(cause) => Err(Decision::Maybe(cause)),
        Fate::Is(None) => Ok(None),
        Fate::Is(Some(entry)) => match &entry.kind {
            EntryKind::File { .. } => Ok(Some(Effect::Remove {
                path: path.clone(),
                recursive: false,
            })),
            other => Err(Decision::Blocked(in_the_way(path, other))),
        },
    })
}

/// Whether systemd's tool may be asked on this host: it is there, and commands can run.
pub(in crate::block) fn can_analyze(view: &View<'_>) -> Result<bool, HostError> {
    let tool = AbsPath::parse(ANALYZE).expect("a plain path");
    Ok(view.powers().exec && matches!(view.path(&tool)?, Fate::Is(Some(_))))
}

fn in_the_way(path: &AbsPath, kind: &EntryKind) -> String {
    match kind {
        EntryKind::Symlink(to) if to == "/dev/null" => format!(
            "{path} is a link to /dev/null, so that the unit is masked; a [[service]] block with `masked = false` before this one removes it"
        ),
        EntryKind::Symlink(_) => {
            format!("{path} is a symbolic link and not a file; remove it first")
        }
        EntryKind::Dir => format!("{path} is a directory and not a file; remove it first"),
        _ => format!("{path} is not a file; remove it first"),
    }
}
