//! What every verb is given: the terminal, and what the command line says for all of them.

use std::fmt::Display;
use std::io;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use hpt_keystore::Passphrase;

use crate::args::Global;
use crate::error::{CommandError, Exit};
use crate::fleet::{Again, Member};
use crate::inventory::Known;
use crate::secrets::Typed;
use crate::sources::Fetched;
use crate::terminal::{Form, Held, Terminal};

/// What every verb is given.
pub(crate) struct Context {
    pub(crate) terminal: Terminal,
    pub(crate) global: Global,
    /// What is known of targets besides their keys, once somebody has asked.
    pub(crate) known: Option<Rc<Known>>,
    /// How one of many targets stands with the others.
    pub(crate) member: Option<Member>,
    /// The command that is done again, if one is.
    pub(crate) again: Option<Again>,
    /// The keystore's passphrase, once it was typed.
    pub(crate) words: Option<Rc<Passphrase>>,
    pub(crate) typed: Typed,
    pub(crate) fetched: Fetched,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Self {
        let form = if global.json { Form::Json } else { Form::Words };
        Self {
            terminal: Terminal::new(form, global.quiet),
            global: global.clone(),
            known: None,
            member: None,
            again: None,
            words: None,
            typed: Typed::default(),
            fetched: Fetched::default(),
        }
    }

    /// The same for one target of many.
    pub(crate) fn of_member(&self, member: Member, held: Held) -> Self {
        Self {
            terminal: Terminal::holding(self.terminal.form(), self.global.quiet, held),
            global: Global {
                target: Some(member.name.clone()),
                on: None,
                ..self.global.clone()
            },
            known: self.known.clone(),
            member: Some(member),
            again: None,
            words: self.words.clone(),
            typed: self.typed.clone(),
            fetched: self.fetched.clone(),
        }
    }

    /// Whether somebody agrees to what was shown. Of many targets that is asked once.
    pub(crate) async fn agrees(&mut self, question: impl Display) -> bool {
        match &self.member {
            None => self.terminal.ask(format_args!("\n{question}")),
            Some(member) => {
                let told = self.terminal.take_held();
                member.agrees(told).await
            }
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

/// The runtime of everything that waits for a network. One thread: there is little to do but wait.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.map_err(|why: io::Error| {
        CommandError::new(Exit::Failed, format!("cannot wait for events: {why}"))
    })
}
