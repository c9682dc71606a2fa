//! What a package manager has against a transaction, before it is tried.

use super::super::command::{End, Spawn};
use super::super::tail::{Tail, describe};
use super::Manager;
use crate::effect::Transaction;
use crate::host::HostError;

/// Whether the manager would do a transaction, which it is asked by `call`; if not, why.
///
/// # Errors
/// If it cannot be started.
pub(in super::super) fn objection(
    manager: &dyn Manager,
    wanted: &Transaction,
    call: &Spawn,
) -> Result<Option<String>, HostError> {
    let (end, tail) = call.listen(&mut |_, _| {})?;
    let text = tail.text();
    let along = manager.along(wanted, &text);
    if manager.worked(end, &text) {
        return Ok((!along.is_empty()).then(|| would_remove(manager, &along)));
    }
    // Lists that are refreshed may know a name that these do not.
    if manager.is_unknown(&text) {
        return Ok(None);
    }
    // Several changes that do not go together are made one after another, and then it says this.
    let several = wanted.install.len() + wanted.remove.len() > 1;
    Ok(Some(if several && !along.is_empty() {
        would_remove(manager, &along)
    } else {
        blame(manager, &call.label, end, &tail).to_string()
    }))
}

/// What a simulation removes that nobody named.
pub(super) fn unasked(manager: &dyn Manager, wanted: &Transaction, output: &str) -> Vec<String> {
    let mut removed = manager.foreseen(output).removed;
    let is_asked = |its: &String| (wanted.remove.iter()).any(|asked| manager.same(asked, its));
    removed.retain(|its| !is_asked(its));
    removed
}

/// Why that is not done.
pub(super) fn would_remove(manager: &dyn Manager, names: &[String]) -> String {
    let (word, names) = (manager.word(), names.join(", "));
    format!("{word} would remove {names}, which no block asks for")
}

/// What a program that failed says it failed on.
pub(super) fn blame(manager: &dyn Manager, program: &str, end: End, tail: &Tail) -> HostError {
    let why = match manager.blamed(&tail.text()) {
        Some(name) => format!("failed on package {name}; it {}", describe(end, tail)),
        None => describe(end, tail),
    };
    HostError::Program {
        program: program.into(),
        why,
    }
}
