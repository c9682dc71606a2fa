//! A configuration file of the system that a block owns whole, or edits: what is to be done about it.

use crate::block::own_file::missing_dirs;
use crate::block::{Action, Decision, Verb};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{EntryKind, HostError};
use crate::name::AbsPath;
use crate::view::View;

/// The steps that a block gathers while it looks at one part of the host after the other.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) effects: Vec<Effect>,
    words: Vec<String>,
    verb: Option<Verb>,
    /// What a plan says if anything is done: what this host lacks to do the rest.
    left: Option<&'static str>,
}

/// A part that ends the whole decision early, or lets it go on.
pub(super) type Gathered = Result<Option<Decision>, HostError>;

/// What a file's bytes are, or why that ends the decision.
pub(super) enum Text {
    /// It holds this; nothing if it is not there.
    Is(Option<String>),
    /// It cannot be judged.
    Stop(Decision),
}

impl Steps {
    /// Adds words for a plan's line; the first ones say what verb it is.
    pub(super) fn say(&mut self, verb: Verb, words: impl Into<String>) {
        self.verb.get_or_insert(verb);
        let words = words.into();
        if !words.is_empty() && !self.words.contains(&words) {
            self.words.push(words);
        }
    }

    /// Adds what this host cannot do, for a plan that does anything else.
    pub(super) fn leave(&mut self, what: &'static str) {
        self.left = Some(what);
    }

    /// The file at `path` must hold exactly `text`.
    pub(super) fn write(&mut self, path: &AbsPath, text: &str, view: &View<'_>) -> Gathered {
        let was = match read(path, view)? {
            Text::Stop(decision) => return Ok(Some(decision)),
            Text::Is(was) => was,
        };
        if was.as_deref() == Some(text) {
            return Ok(None);
        }
        if let Some(decision) = self.make_parents(path, view)? {
            return Ok(Some(decision));
        }
        let verb = if was.is_none() {
            Verb::Create
        } else {
            Verb::Update
        };
        self.say(verb, path.to_string());
        self.effects.push(Effect::WriteFile(WriteFile {
            path: path.clone(),
            content: Content::Inline(text.as_bytes().into()),
            access: Access::default(),
            verify: None,
            secret: false,
        }));
        Ok(None)
    }

    /// The file or link at `path` must not be there.
    pub(super) fn remove(&mut self, path: &AbsPath, view: &View<'_>) -> Gathered {
        match view.path(path)? {
            Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
            Fate::Is(None) => {}
            Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => {
                return Ok(Some(Decision::Blocked(format!(
                    "{path} is a directory, and hpt keeps a file there; remove it first"
                ))));
            }
            Fate::Is(Some(_)) => {
                self.say(Verb::Delete, path.to_string());
                self.effects.push(Effect::Remove {
                    path: path.clone(),
                    recursive: false,
                });
            }
        }
        Ok(None)
    }

    /// The running kernel or host is set to `value`.
    pub(super) fn set(&mut self, setting: Setting, value: Option<String>) {
        self.effects.push(Effect::Set { setting, value });
    }

    /// Makes the directories above `path` that are not there.
    pub(super) fn make_parents(&mut self, path: &AbsPath, view: &View<'_>) -> Gathered {
        let missing = match missing_dirs(path, view)? {
            Ok(missing) => missing,
            Err(decision) => return Ok(Some(decision)),
        };
        self.effects
            .extend(missing.into_iter().map(|path| Effect::MakeDir {
                path,
                access: Access::default(),
            }));
        Ok(None)
    }

    /// All that was gathered, as a decision.
    pub(super) fn decide(self) -> Decision {
        if self.effects.is_empty() {
            return Decision::InPlace;
        }
        let mut words = self.words.join(", ");
        if let Some(left) = self.left {
            words = format!("{words}; {left}");
        }
        let verb = self.verb.unwrap_or(Verb::Update);
        Decision::Act(Action::new(verb, words, self.effects))
    }
}

/// What the file at `path` holds.
pub(super) fn read(path: &AbsPath, view: &View<'_>) -> Result<Text, HostError> {
    let blocked = |what: &str| Ok(Text::Stop(Decision::Blocked(format!("{path} is {what}"))));
    match view.path(path)? {
        Fate::Unknown(cause) => return Ok(Text::Stop(Decision::Maybe(cause))),
        Fate::Is(None) => return Ok(Text::Is(None)),
        Fate::Is(Some(entry)) => match entry.kind {
            EntryKind::File { .. } => {}
            EntryKind::Symlink(_) => {
                return blocked("a symbolic link; hpt writes no file through one: remove it first");
            }
            _ => return blocked("not a file; remove it first"),
        },
    }
    match view.read(path)? {
        Fate::Unknown(cause) => Ok(Text::Stop(Decision::Maybe(cause))),
        Fate::Is(None) => Ok(Text::Is(None)),
        Fate::Is(Some(bytes)) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Ok(Text::Is(Some(text))),
            Err(_) => blocked("not UTF-8 text; hpt does not edit it"),
        },
    }
}
