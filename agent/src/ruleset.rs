//! The packet filter's rules as they are loaded, whoever loaded them: kept before a run that must be
//! confirmed, and loaded again when it is undone (J3).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::runner::PATH;

/// Keeps the rules that are loaded, if there is an nft to tell them.
pub(crate) fn keep(path: &Path) -> io::Result<()> {
    let Some(rules) = loaded()? else {
        return Ok(());
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(&rules)?;
    file.sync_data()
}

/// Loads the rules that were kept, if others are loaded by now. In one step: no packet finds none.
pub(crate) fn restore(path: &Path) -> io::Result<()> {
    let Ok(kept) = fs::read(path) else {
        return Ok(()); // there was no nft
    };
    if loaded()?.is_some_and(|now| now == kept) {
        return Ok(());
    }
    let mut nft = nft(&["-f", "-"]).stdin(Stdio::piped()).spawn()?;
    let mut to = nft.stdin.take().expect("stdin is piped");
    to.write_all(b"flush ruleset\n")?;
    to.write_all(&kept)?;
    drop(to);
    let output = nft.wait_with_output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(refused(&output.stderr))
    }
}

/// All tables, without counters; `None` if there is no nft.
fn loaded() -> io::Result<Option<Vec<u8>>> {
    match nft(&["--stateless", "list", "ruleset"]).output() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
        Ok(output) if output.status.success() => Ok(Some(output.stdout)),
        Ok(output) => Err(refused(&output.stderr)),
    }
}

fn nft(args: &[&str]) -> std::process::Command {
    let mut command = Command::new("nft").into_std();
    command.env_clear().env("PATH", PATH).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn refused(stderr: &[u8]) -> io::Error {
    let words = String::from_utf8_lossy(stderr);
    io::Error::other(format!("nft: {}", words.lines().next().unwrap_or_default()))
}
