//! What is kept of the last command that changes many targets, if some of them were not done: a list of their names, as
//! `--on @FILE` takes it, and the command itself, as `hpt retry` does it again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::CommandError;

/// Beside the keystore.
const NAME: &str = "retry.targets";
/// Begins the line with the command.
const COMMAND: &str = "# hpt retry ";

/// The command.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Again {
    /// Its words, behind the program's name.
    pub(crate) words: Vec<String>,
    /// Where it was given.
    pub(crate) dir: PathBuf,
}

impl Context {
    /// Where it is kept.
    pub(crate) fn retry_file(&self) -> Result<PathBuf, CommandError> {
        Ok(self.keystore()?.with_file_name(NAME))
    }
}

impl Again {
    /// The command of this process.
    pub(super) fn this() -> io::Result<Self> {
        Ok(Self {
            words: std::env::args().skip(1).collect(),
            dir: std::env::current_dir()?,
        })
    }

    /// Keeps it with the names of those that were not done.
    pub(super) fn keep<'a>(
        &self,
        path: &Path,
        names: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let command = serde_json::to_string(self).map_err(io::Error::other)?;
        let mut text = format!("{COMMAND}{command}\n");
        for name in names {
            text += name;
            text.push('\n');
        }
        let temp = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&temp)?.write_all(text.as_bytes())?;
        fs::rename(temp, path)
    }

    /// The one that is kept; `None` if none is.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CommandError> {
        let text = match fs::read_to_string(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(CommandError::io("read it", path))?,
        };
        let command = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(COMMAND));
        let again = command.and_then(|json| serde_json::from_str(json).ok());
        again.map(Some).ok_or_else(|| {
            let what = format!("{} does not begin with a command of hpt", path.display());
            CommandError::usage(what)
        })
    }
}

/// There is nothing to be done again.
pub(super) fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}
