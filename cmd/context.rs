//! What every verb is given: the terminal, and what the command line says for all of them.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Global;
use crate::error::{CommandError, Exit};
use crate::terminal::{Form, Terminal};

/// What every verb is given.
pub(crate) struct Context {
    pub(crate) terminal: Terminal,
    pub(crate) global: Global,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Self {
        let form = if global.json { Form::Json } else { Form::Words };
        Self {
            terminal: Terminal::new(form, global.quiet),
            global: global.clone(),
        }
    }

    /// Whether commands' output is wanted while they run.
    pub(crate) fn is_verbose(&self) -> bool {
        self.global.verbose > 0
    }
}

/// The time, in unix seconds.
#[allow(clippy::disallowed_methods, reason = "cmd/ owns the clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The runtime of everything that waits for a network. One thread: there is one connection.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.map_err(|why: io::Error| {
        CommandError::new(Exit::Failed, format!("cannot wait for events: {why}"))
    })
}
