//! One text file that a block edits: what it holds, and the one write that replaces it. Blocks that
//! edit the same file compose, since each reads it as the blocks before it will leave it.

use crate::block::{Action, Decision, Verb};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key};
use crate::name::AbsPath;
use crate::view::View;

/// What an edit does to a file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It makes the file, for root and with mode 0644, or 0600 if a secret is in it.
    Create,
    /// What it would take away is not there either.
    InPlace,
}

/// What the host must be asked for an edit.
pub(super) fn reads(path: &AbsPath) -> Vec<Key> {
    vec![Key::Path(path.clone()), Key::Content(path.clone())]
}

/// An edit of one file, and how a plan tells it.
pub(super) struct Edit<'a> {
    pub(super) path: &'a AbsPath,
    /// What becomes of a file that is not there.
    pub(super) missing: Missing,
    /// A few words for a plan's line.
    pub(super) summary: String,
    /// Whether a secret goes into the file.
    pub(super) secret: bool,
}

/// Judges an edit: `change` makes the new text of the old one, which is empty for a missing file,
/// or says in a whole sentence why it cannot.
pub(super) fn edit(
    edit: Edit<'_>,
    view: &View<'_>,
    change: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Decision, HostError> {
    let path = edit.path;
    let old = match view.path(path)? {
        Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        Fate::Is(None) => match missing_file(path, edit.missing, view)? {
            Some(decision) => return Ok(decision),
            None => None,
        },
        Fate::Is(Some(entry)) => {
            let what = match entry.kind {
                EntryKind::File { .. } => None,
                EntryKind::Dir => Some("a directory"),
                EntryKind::Symlink(_) => Some("a symbolic link; name the file that it points to"),
                EntryKind::Special => Some("a device, socket or FIFO"),
            };
            if let Some(what) = what {
                return Ok(Decision::Blocked(format!("{path} is {what}")));
            }
            match view.read(path)? {
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(bytes) => Some(bytes.unwrap_or_default()),
            }
        }
    };
    let Ok(text) = std::str::from_utf8(old.as_deref().unwrap_or_default()) else {
        let why = format!("{path} is not text in UTF-8, and is not edited");
        return Ok(Decision::Blocked(why));
    };
    let new = match change(text) {
        Ok(new) => new,
        Err(why) => return Ok(Decision::Blocked(format!("{path}: {why}"))),
    };
    let verb = match &old {
        Some(_) if new == text => return Ok(Decision::InPlace),
        Some(_) => Verb::Update,
        None => Verb::Create,
    };
    let write = Effect::WriteFile(WriteFile {
        path: path.clone(),
        content: Content::Inline(new.into_bytes().into()),
        access: Access::default(),
        verify: None,
        // What stays of it may be the secret that was put there.
        secret: edit.secret || view.is_secret(path),
    });
    Ok(Decision::Act(Action::new(verb, edit.summary, vec![write])))
}

/// What becomes of an edit whose file is not there; `None` if it makes the file.
fn missing_file(
    path: &AbsPath,
    missing: Missing,
    view: &View<'_>,
) -> Result<Option<Decision>, HostError> {
    // A package may bring the file, and then the edit is another one.
    if let Some(cause) = view.pending_install() {
        return Ok(Some(Decision::Maybe(cause)));
    }
    if missing == Missing::InPlace {
        return Ok(Some(Decision::InPlace));
    }
    Ok(match view.has_parent(path)? {
        Fate::Is(true) => None,
        Fate::Is(false) => Some(Decision::without_parent(path)),
        Fate::Unknown(cause) => Some(Decision::Maybe(cause)),
    })
}

/// The line feed of a text, or the pair that it uses in its place.
pub(super) fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A line without what ends it.
pub(super) fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// A text as lines that keep their ends, so that joining them is the text again.
pub(super) struct Lines<'a> {
    lines: Vec<std::borrow::Cow<'a, str>>,
    end: &'static str,
}

impl<'a> Lines<'a> {
    /// The lines of a text.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            lines: text.split_inclusive('\n').map(Into::into).collect(),
            end: line_end(text),
        }
    }

    /// The lines without their ends.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(|line| bare(line))
    }

    /// One line without its end.
    pub(super) fn get(&self, at: usize) -> &str {
        bare(&self.lines[at])
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Puts another text in a line's place.
    pub(super) fn set(&mut self, at: usize, text: &str) {
        let end = &self.lines[at][self.get(at).len()..];
        self.lines[at] = format!("{text}{end}").into();
    }

    /// Puts a new line before the one at `at`, or last.
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        if let Some(before) = at.checked_sub(1).map(|i| &mut self.lines[i])
            && !before.ends_with('\n')
        {
            *before = format!("{before}{}", self.end).into();
        }
        self.lines.insert(at, format!("{text}{}", self.end).into());
    }

    /// Takes out a line.
    pub(super) fn remove(&mut self, at: usize) {
        self.lines.remove(at);
    }

    /// Keeps the lines of which `keep` says so, by number and text.
    pub(super) fn retain(&mut self, keep: impl Fn(usize, &str) -> bool) {
        let mut at = 0;
        self.lines.retain(|line| {
            at += 1;
            keep(at - 1, bare(line))
        });
    }

    /// The text again.
    pub(super) fn join(self) -> String {
        self.lines.concat()
    }
}
