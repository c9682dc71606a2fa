//! A command that a config gives.

use std::time::Duration;

use crate::name::{AbsPath, GroupName, Mode, UserName};
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
    /// TERM after this long, KILL ten seconds later, to the whole tree (X3).
    pub timeout: Duration,
    /// Exit codes that mean success.
    pub success: Vec<i32>,
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
