//! The one place where processes start: argument vectors only, an emptied environment, nothing of
//! hpt's own left open, and an end for the whole tree (X1-X3).

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::deadline;
use super::running::Running;
use super::sys::{self, Identity};
use crate::host::{HostError, Stream};

/// Where programs are looked for, whatever hpt's own environment says.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One command at a time: then every orphan that comes to hpt meanwhile is of this one.
static RUNNING: Mutex<()> = Mutex::new(());

/// A process to start.
pub(super) struct Spawn {
    /// An absolute path, or a name to be looked for in [`PATH`].
    pub(super) program: Zeroizing<String>,
    /// What errors call it; an argument vector from a config may hold secrets.
    pub(super) label: String,
    pub(super) args: Vec<Zeroizing<String>>,
    /// The whole environment.
    pub(super) env: Vec<(String, Zeroizing<String>)>,
    pub(super) dir: PathBuf,
    /// Standard input; `/dev/null` if `None`.
    pub(super) stdin: Option<Zeroizing<Vec<u8>>>,
    /// A file as standard input, instead.
    pub(super) stdin_file: Option<File>,
    /// Who it runs as; hpt's own user and groups if `None`.
    pub(super) identity: Option<Identity>,
    pub(super) umask: u32,
    pub(super) timeout: Duration,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It exited by itself.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It did not end within this time and was ended, with all that it had started.
    Timeout(Duration),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exited with {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Timeout(time) => write!(
                f,
                "did not end within {:.0} s; it and all it had started were ended",
                time.as_secs_f64().ceil()
            ),
        }
    }
}

impl Spawn {
    /// A tool of the system, run as root with words in English and nothing on its standard input.
    pub(super) fn tool(program: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let env = [
            ("PATH", PATH),
            ("LC_ALL", "C"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LOGNAME", "root"),
        ];
        Self {
            program: Zeroizing::new(program.to_owned()),
            label: program.to_owned(),
            args: args
                .into_iter()
                .map(|arg| Zeroizing::new(arg.into()))
                .collect(),
            env: env
                .map(|(k, v)| (k.to_owned(), Zeroizing::new(v.to_owned())))
                .into(),
            dir: PathBuf::from("/"),
            stdin: None,
            stdin_file: None,
            identity: None,
            umask: 0o022,
            timeout: Duration::from_mins(5),
        }
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.env
            .push((name.to_owned(), Zeroizing::new(value.to_owned())));
        self
    }

    /// Runs it to its end and hands its output to `hear` while it runs, as it comes.
    ///
    /// When the process itself has ended, what it started in the background lives on, and what that
    /// still writes is not waited for.
    pub(super) fn run(&self, hear: &mut dyn FnMut(Stream, &[u8])) -> Result<End, HostError> {
        let _alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let program = self.find()?;
        if !self.dir.is_dir() {
            let why = format!(
                "could not be started: the directory {} does not exist",
                self.dir.display()
            );
            return Err(self.failed(why));
        }
        // Orphans of a command come to hpt once the command itself is gone.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        tracing::debug!(program = %self.label, args = self.args.len(), "starting");
        let child = self.command(&program).spawn();
        let child = child.map_err(|e| self.failed(format!("could not be started: {e}")))?;
        let mut running =
            Running::new(child, self.stdin.clone()).map_err(|e| self.failed(lost(&e)))?;
        running
            .until_end(deadline::left(self.timeout), hear)
            .map_err(|e| {
                running.kill();
                self.failed(lost(&e))
            })
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place where processes start"
    )]
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(self.args.iter().map(|arg| arg.as_str()))
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value.as_str())))
            .current_dir(&self.dir)
            .stdin(match (&self.stdin_file, &self.stdin) {
                (Some(file), _) => file.try_clone().map_or_else(|_| Stdio::null(), Stdio::from),
                (None, Some(_)) => Stdio::piped(),
                (None, None) => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        sys::isolate(&mut command, self.identity.clone(), self.umask);
        command
    }

    fn find(&self) -> Result<PathBuf, HostError> {
        if self.program.contains('/') {
            let path = PathBuf::from(self.program.as_str());
            return if path.is_file() {
                Ok(path)
            } else {
                Err(self.failed("was not found".into()))
            };
        }
        let places = PATH
            .split(':')
            .map(|dir| Path::new(dir).join(self.program.as_str()));
        let found = places.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| self.failed(format!("was not found in {PATH}")))
    }

    /// An error about this program.
    pub(super) fn failed(&self, why: String) -> HostError {
        HostError::Program {
            program: self.label.clone(),
            why,
        }
    }
}

fn lost(error: &io::Error) -> String {
    format!("could not be watched: {error}")
}

#[cfg(test)]
mod tests;
