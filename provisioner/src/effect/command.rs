//! A command that a config gives.

use serde::de::{Deserialize, Deserializer};

use crate::name::{AbsPath, GroupName, Mode, Pattern, UserName};
use crate::number;
use crate::secret::Secret;

/// A command from a config.
#[derive(Clone)]
pub struct Command {
    /// What runs.
    pub program: Program,
    /// Run as this user, with that user's groups; root if `None`.
    pub user: Option<UserName>,
    /// Run with this primary group.
    pub group: Option<GroupName>,
    /// Working directory; `/tmp` if `None`, as the original hpt had it.
    pub dir: Option<AbsPath>,
    /// The environment besides PATH, HOME, USER, LOGNAME, SHELL and LANG (X1).
    pub env: Vec<(String, Secret)>,
    /// Bytes for standard input; nothing if `None`.
    pub stdin: Option<Secret>,
    /// File mode creation mask.
    pub umask: Mode,
    /// Exit codes that mean success.
    pub success: Vec<i32>,
    /// What makes it a change; each run is one if `None`.
    pub changed_if: Option<ChangedIf>,
    /// A script for this interpreter that makes undone what it did; kept until then, and so never secret.
    pub undo: Option<(AbsPath, Secret)>,
}

/// What a command says when it has changed something.
#[derive(Debug, Clone)]
pub enum ChangedIf {
    /// It exits so.
    Exit(i32),
    /// This is found in a line of its standard output.
    Stdout(Pattern),
}

impl ChangedIf {
    /// Whether a command that exited so and wrote so has changed something.
    pub fn says(&self, exit: i32, stdout: &str) -> bool {
        match self {
            Self::Exit(code) => exit == *code,
            Self::Stdout(pattern) => stdout.lines().any(|line| pattern.finds(line)),
        }
    }
}

impl<'de> Deserialize<'de> for ChangedIf {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "an exit code, or a regular expression in quotes";
        let code = |code| match u8::try_from(code) {
            Ok(code) => Ok(Self::Exit(code.into())),
            Err(_) => Err("an exit code is a number from 0 to 255".to_owned()),
        };
        number::or_text(d, EXPECTED, code, |text| {
            Pattern::parse(text).map(Self::Stdout)
        })
    }
}

/// What a command consists of.
#[derive(Clone)]
pub enum Program {
    /// A program and its arguments; no shell.
    Argv(Vec<Secret>),
    /// A text for an interpreter, handed over in a private file.
    Script {
        /// The interpreter's absolute path, such as `/bin/sh`.
        interpreter: AbsPath,
        /// The text.
        text: Secret,
    },
}
