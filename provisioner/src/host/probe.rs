//! What a health gate looks at, and what it must see there.

use std::time::Duration;

use crate::effect::Command;
use crate::name::Pattern;

/// One look at whether a host does what it is there for.
#[derive(Clone)]
pub struct Probe {
    /// What is looked at.
    pub at: Target,
    /// What must be seen.
    pub expect: Expect,
}

/// What a probe looks at.
#[derive(Clone)]
pub enum Target {
    /// The answer to a GET of this URL, `http` or `https`.
    Http(String),
    /// The end of a command.
    Command(Box<Command>),
}

/// What a probe must see.
#[derive(Debug, Clone)]
pub enum Expect {
    /// It went well: a status from 200 to 299, or the exit code 0.
    Well,
    /// This status or exit code.
    Code(u16),
    /// It went well, and this is found in a line of the body or of standard output.
    Text(Pattern),
}

impl Expect {
    /// Whether this is the status or exit code that was wanted.
    pub(crate) fn accepts(&self, code: u16, well: std::ops::RangeInclusive<u16>) -> bool {
        match self {
            Self::Code(wanted) => code == *wanted,
            Self::Well | Self::Text(_) => well.contains(&code),
        }
    }

    /// Why this text is not the one that was wanted, if it is not.
    pub(crate) fn objection(&self, text: &str) -> Option<String> {
        match self {
            Self::Text(pattern) if !text.lines().any(|line| pattern.finds(line)) => {
                Some(format!("no line of it has {}", pattern.as_str()))
            }
            _ => None,
        }
    }
}

/// What a look has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// What is wrong; `None` if all is as expected.
    pub wrong: Option<String>,
    /// How long it took.
    pub took: Duration,
}
