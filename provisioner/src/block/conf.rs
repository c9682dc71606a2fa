//! A configuration file of the system that a block owns whole, or edits: what is to be done about it.

use crate::block::own_file::{OwnFile, Placed, directory, missing_dirs, removal};
use crate::block::{Action, Decision, Verb};
use crate::effect::Effect;
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
        let file = OwnFile {
            path: path.clone(),
            bytes: Some(text.into()),
            mode: None,
            verify: None,
        };
        match file.place(view)? {
            Placed::InPlace => {}
            Placed::Stop(decision) => return Ok(Some(decision)),
            Placed::Act(verb, effects) => {
                self.say(verb, path.to_string());
                self.effects.extend(effects);
            }
        }
        Ok(None)
    }

    /// The file or link at `path` must not be there.
    pub(super) fn remove(&mut self, path: &AbsPath, view: &View<'_>) -> Gathered {
        match removal(path, view)? {
            Ok(None) => {}
            Ok(Some(effect)) => {
                self.say(Verb::Delete, path.to_string());
                self.effects.push(effect);
            }
            Err(decision) => return Ok(Some(decision)),
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
        self.effects.extend(missing.into_iter().map(directory));
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
