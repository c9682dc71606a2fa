//! `hpt run` without `hpt`: the child that the tests' servers start.

use std::io::{stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    match hpt_agent::child::run_child(&mut stdin().lock(), &mut stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
