//! The systemd of this host, asked by its own programs.

use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use crate::error::{CommandError, Exit};

/// `systemctl WORDS`, which says on stderr what is wrong.
pub(crate) fn systemctl(words: &[&str]) -> Result<(), CommandError> {
    let ended = program("systemctl", words).stdin(Stdio::null()).status();
    if ended.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let what = format!("`systemctl {}` failed", words.join(" "));
    Err(CommandError::new(Exit::Failed, what))
}

/// `systemd-creds WORDS`, with this on its standard input.
pub(crate) fn systemd_creds(words: &[&str], input: &[u8]) -> io::Result<Output> {
    let mut command = program("systemd-creds", words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.stderr(Stdio::piped()).spawn()?;
    let mut stdin = running.stdin.take().expect("it is piped");
    stdin.write_all(input)?;
    drop(stdin);
    running.wait_with_output()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a program of this host, with fixed arguments and no shell"
)]
fn program(name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(words);
    command
}
