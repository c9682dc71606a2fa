//! `hpt`: the terminal. The only code that prints, prompts, or reads arguments and environment.

#![allow(
    clippy::format_push_string,
    clippy::needless_pass_by_value,
    clippy::struct_field_names,
    reason = "words are short and handed over; every object for programs has an `event`"
)]

mod accept;
mod address;
mod age;
mod args;
mod attach;
mod audit;
mod authorize;
mod backup;
mod cancel;
mod check;
mod completion;
mod config;
mod confirm;
mod context;
mod credential;
mod doctor;
mod drift;
mod env;
mod error;
mod explain;
mod facts;
mod files;
mod fix;
mod fleet;
mod fmt;
mod follower;
mod gen_client_keys;
mod gen_target_keys;
mod given;
mod guard;
mod harden;
mod heads;
mod hearing;
mod install;
mod interrupts;
mod inventory;
mod invite;
mod join;
mod keys;
mod link;
mod list_client_keys;
mod list_target_keys;
mod local;
mod log;
mod logging;
mod man;
mod once;
#[cfg(test)]
mod pages;
mod passphrase;
mod ping;
mod plan;
mod plan_file;
mod print;
mod prompt;
mod provision;
#[cfg(test)]
mod reference;
mod remote;
mod remote_audit;
mod remote_pins;
mod remote_run;
mod remove;
mod rename;
mod renewal;
mod restore;
mod retry;
mod revoke;
mod rewrite;
mod rotate_client_keys;
mod rotate_target_keys;
mod run;
mod schema;
mod seal;
mod seal_keystore;
mod secrets;
mod serve;
mod show;
mod site;
mod sources;
mod status;
mod succession;
mod systemd;
mod terminal;
mod undo;
mod unit_file;
mod upgrade;
mod upload;
mod wait;
mod why;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;

use args::CommandLine;
use context::Context;
use error::{CommandError, Exit};
use terminal::Terminal;

fn main() -> ExitCode {
    harden::harden();
    completion::answer();
    let line = match args::parse() {
        Ok(line) => line,
        Err(exit) => return exit.code().into(),
    };
    let is_daemon = matches!(
        line.verb,
        Some(args::Verb::Serve(_) | args::Verb::Join(_) | args::Verb::Guard(_))
    );
    logging::start(line.global.verbose, is_daemon);
    let mut context = Context::new(&line.global);
    let exit = match guarded(|| run_verb(line, &mut context)) {
        Ok(exit) => exit,
        Err(error) => print::error::show(&mut context, error),
    };
    written(exit, &mut context.terminal).code().into()
}

/// Results that could not be written are a failure too.
fn written(exit: Exit, terminal: &mut Terminal) -> Exit {
    let Some(why) = terminal.lost() else {
        return exit;
    };
    terminal.error(format_args!("cannot write to stdout: {why}"));
    match exit {
        Exit::Done | Exit::Pending => Exit::Failed,
        exit => exit,
    }
}

/// A panic is a bug, and says where; what it was about may be secret and is not shown (H16).
fn guarded(run: impl FnOnce() -> Result<Exit, CommandError>) -> Result<Exit, CommandError> {
    static PLACE: Mutex<String> = Mutex::new(String::new());
    panic::set_hook(Box::new(|info| {
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a bug in hpt: panic at {at}");
        if let Ok(mut place) = PLACE.lock() {
            *place = at;
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let at = PLACE.lock().map(|place| place.clone()).unwrap_or_default();
        let what = format!("a bug in hpt {} at {at}", env!("CARGO_PKG_VERSION"));
        Err(CommandError::new(Exit::Bug, what).hint("please report it, with what you typed"))
    })
}

fn run_verb(line: CommandLine, context: &mut Context) -> Result<Exit, CommandError> {
    use args::Verb;
    match line.into_verb()? {
        Verb::Plan(args) => plan::run(&args, context),
        Verb::Provision(args) => provision::run(&args, context),
        Verb::Why(args) => why::run(&args, context),
        Verb::Check(args) => check::run(&args, context),
        Verb::Explain(args) => explain::run(&args, context),
        Verb::Schema(schema::Args {}) => Ok(schema::run(context)),
        Verb::Fmt(args) => fmt::run(&args, context),
        Verb::Fix(args) => fix::run(&args, context),
        Verb::Status(args) => status::run(&args, context),
        Verb::Ping(args) => ping::run(&args, context),
        Verb::Attach(args) => attach::run(&args, context),
        Verb::Cancel(args) => cancel::run(&args, context),
        Verb::Log(args) => log::run(&args, context),
        Verb::Audit(args) => audit::run(&args, context),
        Verb::Undo(args) => undo::run(&args, context),
        Verb::Drift(args) => drift::run(&args, context),
        Verb::Facts(args) => facts::run(&args, context),
        Verb::Doctor(args) => doctor::run(&args, context),
        Verb::Retry(args) => {
            let (line, mut again) = retry::line(&args, context)?;
            let exit = run_verb(line, &mut again)?;
            Ok(written(exit, &mut again.terminal))
        }
        Verb::GenClientKeys(args) => gen_client_keys::run(&args, context),
        Verb::GenTargetKeys(args) => gen_target_keys::run(&args, context),
        Verb::Install(args) => install::run(&args, context),
        Verb::Upgrade(args) => upgrade::run(&args, context),
        Verb::ListTargetKeys(args) => list_target_keys::run(&args, context),
        Verb::Show(args) => show::run(&args, context),
        Verb::Rename(args) => rename::run(&args, context),
        Verb::Invite(args) => invite::run(&args, context),
        Verb::Join(args) => join::run(&args, context),
        Verb::ListClientKeys(args) => list_client_keys::run(&args, context),
        Verb::Authorize(args) => authorize::run(&args, context),
        Verb::Accept(args) => accept::run(&args, context),
        Verb::Revoke(args) => revoke::run(&args, context),
        Verb::RotateClientKeys(args) => rotate_client_keys::run(&args, context),
        Verb::RotateTargetKeys(args) => rotate_target_keys::run(&args, context),
        Verb::Remove(args) => remove::run(&args, context),
        Verb::SealKeystore(args) => seal_keystore::run(&args, context),
        Verb::Passphrase(args) => passphrase::run(&args, context),
        Verb::Seal(args) => seal::run(&args, context),
        Verb::Backup(args) => backup::run(&args, context),
        Verb::Restore(args) => restore::run(&args, context),
        Verb::Serve(args) => serve::run(&args, context),
        Verb::UnitFile(args) => unit_file::run(&args, context),
        Verb::Completion(args) => completion::run(&args, context),
        Verb::Man(args) => man::run(&args, context),
        Verb::Run(args) => run::run(&args, context),
        Verb::Guard(args) => guard::run(&args, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_where_and_never_what() {
        let error = guarded(|| panic!("hunter2")).expect_err("it panicked");
        let _ = panic::take_hook();
        assert_eq!(error.exit, Exit::Bug);
        let error::Problem::Words(what) = error.problem else {
            panic!("words")
        };
        assert!(
            what.contains("cmd/main.rs:") && !what.contains("hunter2"),
            "{what}"
        );
    }
}
