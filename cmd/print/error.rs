//! A failed command, in words on stderr and as an object for programs.

use crate::context::Context;
use crate::error::{CommandError, Exit, Problem};
use crate::print::{fault, json};

/// Shows why a command failed. Words from a target have been made harmless where they came in.
pub(crate) fn show(context: &mut Context, error: CommandError) -> Exit {
    let CommandError {
        exit,
        problem,
        hints,
    } = error;
    let terminal = &mut context.terminal;
    match problem {
        Problem::Words(what) => {
            terminal.error(&what);
            terminal.json(&json::Error::words(exit, &what, &hints));
        }
        Problem::Faults { files, faults } => {
            terminal.complain(fault::faults(&files, &faults));
            terminal.json(&json::Error::faults(exit, &files, &faults));
        }
    }
    for hint in hints {
        terminal.complain(format_args!("hint: {hint}"));
    }
    exit
}
