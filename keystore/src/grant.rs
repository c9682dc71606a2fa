//! What a pinned client may do.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::name::{BadName, CallName};

/// One thing that a client may be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// See how the target and its runs stand.
    Status,
    /// Read facts of the host.
    Facts,
    /// Compute what a config would change.
    Plan,
    /// Change the host as a plan says.
    Apply,
    /// Run commands of the client's own.
    Exec,
    /// Read what happened.
    Log,
    /// Follow a run while it goes on.
    Attach,
    /// Stop a run.
    Cancel,
    /// Put back what a run changed.
    Undo,
    /// Change the pins themselves.
    Pins,
    /// Call one capability by name.
    Call(CallName),
}

/// Every grant that takes no name, with the word that people and files use for it.
const WORDS: [(Grant, &str); 10] = [
    (Grant::Status, "status"),
    (Grant::Facts, "facts"),
    (Grant::Plan, "plan"),
    (Grant::Apply, "apply"),
    (Grant::Exec, "exec"),
    (Grant::Log, "log"),
    (Grant::Attach, "attach"),
    (Grant::Cancel, "cancel"),
    (Grant::Undo, "undo"),
    (Grant::Pins, "pins"),
];

impl Grant {
    /// Reads one word: `plan`, or `call:NAME`.
    ///
    /// # Errors
    /// [`BadGrant`] for a word that grants nothing.
    pub fn parse(text: &str) -> Result<Self, BadGrant> {
        if let Some(name) = text.strip_prefix("call:") {
            return Ok(Self::Call(CallName::parse(name)?));
        }
        let known = WORDS.iter().find(|(_, word)| *word == text);
        known
            .map(|(grant, _)| grant.clone())
            .ok_or(BadGrant::Unknown)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name) => write!(f, "call:{name}"),
            plain => {
                let known = WORDS.iter().find(|(grant, _)| grant == plain);
                f.write_str(
                    known
                        .map(|(_, word)| *word)
                        .expect("every plain grant has a word"),
                )
            }
        }
    }
}

/// Why a word is not a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadGrant {
    /// No such word.
    #[error(
        "not a grant; the grants are status, facts, plan, apply, exec, log, attach, cancel, undo, \
         pins and call:NAME"
    )]
    Unknown,
    /// `call:` with something after it that is no name.
    #[error("not a call: {0}")]
    Call(#[from] BadName),
}

/// All that one client may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    listed: BTreeSet<Grant>,
    every_call: bool,
}

/// The word for every call that the target has or will have.
const EVERY_CALL: &str = "call:*";

impl Grants {
    /// Everything: what the client that makes a target's keystore gets.
    #[must_use]
    pub fn all() -> Self {
        Self {
            listed: WORDS.map(|(grant, _)| grant).into(),
            every_call: true,
        }
    }

    /// Whether a client that holds these may do that. The one place where this is decided.
    #[must_use]
    pub fn allows(&self, grant: &Grant) -> bool {
        self.listed.contains(grant) || (self.every_call && matches!(grant, Grant::Call(_)))
    }

    /// Whether it allows all that another allows.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let calls = self.every_call || !other.every_call;
        calls && other.listed.iter().all(|grant| self.allows(grant))
    }

    /// Reads words separated by blanks; `call:*` is every call.
    ///
    /// # Errors
    /// [`BadGrant`] for the first word that grants nothing.
    pub fn parse(text: &str) -> Result<Self, BadGrant> {
        let mut grants = Self::default();
        for word in text.split_ascii_whitespace() {
            if word == EVERY_CALL {
                grants.every_call = true;
            } else {
                grants.listed.insert(Grant::parse(word)?);
            }
        }
        Ok(grants)
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self {
            listed: grants.into_iter().collect(),
            every_call: false,
        }
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every_call = self.every_call.then(|| EVERY_CALL.to_owned());
        let words = self.listed.iter().map(Grant::to_string).chain(every_call);
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grant_allows_itself_and_nothing_else() {
        let call = |name| Grant::Call(CallName::parse(name).unwrap());
        let questions: Vec<_> = WORDS
            .into_iter()
            .map(|(grant, _)| grant)
            .chain([call("a"), call("b")])
            .collect();
        for held in &questions {
            let grants = Grants::from_iter([held.clone()]);
            for asked in &questions {
                assert_eq!(grants.allows(asked), held == asked, "{held} for {asked}");
            }
        }
        assert!(questions.iter().all(|asked| Grants::all().allows(asked)));
        assert!(
            !questions
                .iter()
                .any(|asked| Grants::default().allows(asked))
        );
        assert!(!Grants::parse("call:*").unwrap().allows(&Grant::Exec));
    }

    #[test]
    fn text_returns_itself() {
        for text in ["", "plan apply", "status call:restart", "call:*"] {
            assert_eq!(Grants::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Grants::parse(&Grants::all().to_string()), Ok(Grants::all()));
        assert_eq!(Grants::parse("plan root"), Err(BadGrant::Unknown));
        assert_eq!(
            Grants::parse("call:../x"),
            Err(BadGrant::Call(BadName::BadStart))
        );
    }
}
