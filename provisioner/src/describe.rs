//! What an action changes, in details that a person can read. Written once, over effects.

use crate::block::{Action, Verb};
use crate::diff::{self, Line};
use crate::effect::{Access, Content, Effect, UserEdit, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{Entry, Hash};
use crate::name::AbsPath;
use crate::plan::Reveal;
use crate::view::View;

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A plain sentence or attribute: "mode 0600 -> 0644".
    Text(String),
    /// The lines of a file's content.
    Diff {
        /// Which file.
        path: String,
        /// Its lines.
        lines: Vec<Line>,
    },
}

/// The details of an action, as far as the asker may see them.
pub(crate) fn details(
    action: &Action,
    sensitive: bool,
    view: &View<'_>,
    reveal: Reveal,
) -> Vec<Detail> {
    let mut details = Vec::new();
    for effect in &action.effects {
        match effect {
            Effect::WriteFile(file) => {
                access(&file.path, &file.access, view, &mut details);
                details.push(content(file, sensitive, view, reveal));
            }
            Effect::MakeDir {
                path,
                access: wanted,
            }
            | Effect::SetAccess {
                path,
                access: wanted,
            } => {
                access(path, wanted, view, &mut details);
            }
            Effect::Set { setting, value } => {
                let old = match view.setting(setting) {
                    Ok(Fate::Is(Some(old))) => old,
                    _ => "none".to_owned(),
                };
                let new = value.as_deref().unwrap_or("none");
                details.push(Detail::Text(format!("{setting}: {old} -> {new}")));
            }
            Effect::Remove { path, recursive } if action.verb != Verb::Delete => {
                let all = if *recursive {
                    " and all that it holds"
                } else {
                    ""
                };
                details.push(Detail::Text(format!("{path} goes{all}")));
            }
            Effect::Unpack(job) => {
                let hash = job.hash.to_hex();
                let text = format!("{} has the BLAKE3 hash {hash}", job.source);
                details.push(Detail::Text(text));
            }
            Effect::User(UserEdit::Modify { to, .. }) if to.password_hash.is_some() => {
                details.push(Detail::Text("password changes".to_owned()));
            }
            _ => {}
        }
    }
    for path in &action.touches {
        details.push(Detail::Text(format!("{path} is unknown from here on")));
    }
    details
}

/// How owner, group and mode differ from what is there; nothing for what is not there yet.
fn access(path: &AbsPath, wanted: &Access, view: &View<'_>, details: &mut Vec<Detail>) {
    let Ok(Fate::Is(Some(entry))) = view.path(path) else {
        return;
    };
    let mut tell = |text: String| details.push(Detail::Text(text));
    if let Some(mode) = wanted.mode
        && mode != entry.mode
    {
        tell(format!("mode {} -> {mode}", entry.mode));
    }
    if let Some(owner) = &wanted.owner
        && !view.owned_by(&entry, owner).unwrap_or(true)
    {
        tell(format!("owner {} -> {owner}", owner_of(&entry)));
    }
    if let Some(group) = &wanted.group
        && !view.grouped_by(&entry, group).unwrap_or(true)
    {
        tell(format!("group {} -> {group}", group_of(&entry)));
    }
}

fn owner_of(entry: &Entry) -> String {
    match &entry.owner {
        crate::host::Owner::Id(id) => id.to_string(),
        crate::host::Owner::Named(name) => name.to_string(),
    }
}

fn group_of(entry: &Entry) -> String {
    match &entry.group {
        crate::host::Owner::Id(id) => id.to_string(),
        crate::host::Owner::Named(name) => name.to_string(),
    }
}

/// The content of a file: a diff, or for a secret fingerprints under the host's own key.
fn content(file: &WriteFile, sensitive: bool, view: &View<'_>, reveal: Reveal) -> Detail {
    let path = file.path.to_string();
    // Old and new stand side by side in a diff: it is secret if either is.
    if sensitive || file.secret || view.is_secret(&file.path) {
        let print = |hash: &Hash| view.fingerprint(hash.as_bytes());
        let new = print(&file.content.hash());
        return Detail::Text(match view.hash(&file.path) {
            Ok(Fate::Is(Some(old))) => {
                let old = print(&old);
                format!("{path}: secret content changes, fingerprint {old} -> {new}")
            }
            _ => format!("{path}: secret content, fingerprint {new}"),
        });
    }
    let sizes = || {
        Detail::Text(format!(
            "{path}: content changes, {} bytes",
            file.content.size()
        ))
    };
    if reveal == Reveal::Outline {
        return sizes();
    }
    let new = match &file.content {
        Content::Inline(bytes) => Some(bytes.clone()),
        Content::Blob { hash, size, .. } if *size <= 1 << 20 => view.blob(hash).ok().flatten(),
        Content::Blob { .. } => None,
    };
    let old = match view.read(&file.path) {
        Ok(Fate::Is(bytes)) => Some(bytes.unwrap_or_default()),
        _ => None,
    };
    match (old, new) {
        (Some(old), Some(new)) => match diff::lines(&old, &new) {
            Some(lines) if lines.is_empty() => sizes(),
            Some(lines) => Detail::Diff { path, lines },
            None => sizes(),
        },
        _ => sizes(),
    }
}
