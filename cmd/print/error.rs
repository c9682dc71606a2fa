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
    let member = context.member.as_ref();
    let target = member.map(|member| member.name.as_str());
    match problem {
        Problem::Words(what) => {
            terminal.error(&what);
            let mut error = json::Error::words(exit, &what, &hints);
            error.target = target;
            terminal.json(&error);
        }
        Problem::Faults { files, faults } => {
            terminal.complain(fault::faults(&files, &faults));
            let mut error = json::Error::faults(exit, &files, &faults);
            error.target = target;
            terminal.json(&error);
        }
    }
    for hint in hints {
        terminal.complain(format_args!("hint: {hint}"));
    }
    exit
}
