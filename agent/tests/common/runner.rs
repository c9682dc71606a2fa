//! `hpt run` and `hpt serve` without `hpt`: the processes that the tests start.

#![allow(clippy::print_stderr, reason = "it is a program")]

use std::env;
use std::io::{stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use hpt_agent::{Options, Places, Runner, child, guard, serve};
use hpt_transport::Limits;

fn main() -> ExitCode {
    let args: Vec<_> = env::args().collect();
    let done = match &args[..] {
        [_, run] if run == "run" => {
            child::run_child(&mut stdin().lock(), &mut stdout().lock()).map_err(|e| e.to_string())
        }
        [_, guard] if guard == "guard" => {
            guard::guard(&mut stdin().lock(), &mut stdout().lock(), || 1_750_000_000)
                .map_err(|e| e.to_string())
        }
        [program, serve, dir, address @ ..] if serve == "serve" => {
            serve_at(program, dir, address.first())
        }
        _ => Err("run | guard | serve DIR [ADDRESS]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves with everything in one directory: `keystore.db`, `root`, `state` and `run`.
fn serve_at(program: &str, dir: &str, address: Option<&String>) -> Result<(), String> {
    let dir = Path::new(dir);
    let options = Options {
        keystore: dir.join("keystore.db"),
        passphrase: None,
        places: Places {
            root: dir.join("root"),
            state: dir.join("state"),
            run: dir.join("run"),
        },
        runner: Runner::detect(program.into()),
        clock: || 1_750_000_000,
        limits: Limits::default(),
    };
    let address = address.map(|address| address.parse().map_err(|_| "not an address"));
    serve(options, address.transpose()?).map_err(|error| error.to_string())
}
