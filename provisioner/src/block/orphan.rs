//! What left its config: shown in every plan, and removed, or let go, only where that is asked for.

use crate::block::{Body, Decision, OnError};
use crate::host::HostError;
use crate::view::View;

/// What is on the host because of a config, and is none of its blocks' any more.
pub struct Orphan {
    /// The file in which its block stood.
    pub(crate) file: String,
    /// The line of its header, from 1.
    pub(crate) line: usize,
    /// That it left the config, in words, and what else is to be known of it.
    pub(crate) how: &'static str,
    pub(crate) fate: OrphanFate,
}

/// What becomes of an orphan.
pub(crate) enum OrphanFate {
    /// This block removes it.
    Removed(Box<Body>),
    /// Nothing is done about it; what would be, in words.
    Stays(String),
    /// It is forgotten; why it is not removed, in words.
    LetGo(String),
}

impl Orphan {
    /// What becomes of the others when one cannot be removed.
    pub(crate) const ON_ERROR: OnError = OnError::Continue;

    /// The file in which its block stood, and the line.
    pub fn place(&self) -> (&str, usize) {
        (&self.file, self.line)
    }

    /// The block that removes it, if it is to be removed.
    pub(crate) fn removal(&self) -> Option<&Body> {
        match &self.fate {
            OrphanFate::Removed(body) => Some(body),
            OrphanFate::Stays(_) | OrphanFate::LetGo(_) => None,
        }
    }

    /// What is to be done about it. What cannot be removed stays, and is an orphan in the next plan too.
    pub(crate) fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let body = match &self.fate {
            OrphanFate::Removed(body) => body,
            OrphanFate::Stays(words) | OrphanFate::LetGo(words) => {
                return Ok(Decision::Orphan(words.clone()));
            }
        };
        Ok(match body.decide(view)? {
            Decision::Act(mut action) => {
                action.summary = match action.summary.as_str() {
                    "" => self.how.to_owned(),
                    words => format!("{}; {words}", self.how),
                };
                Decision::Act(action)
            }
            Decision::Blocked(why) => Decision::Orphan(format!("{}, and stays: {why}", self.how)),
            other => other,
        })
    }
}
