//! Why a command did not succeed: what to say, what to advise, and the exit code.

use std::path::Path;

use hpt_keystore::client::{CreateError, FindError, PinError, RenameError};
use hpt_keystore::{
    BackupError, FileError, GenTargetError, LoadError, PassphraseError, RestoreError, TargetName,
};
use hpt_provisioner::config::File;
use hpt_provisioner::fault::{Fault, Place};
use hpt_provisioner::report::Report;

/// What a process can end with. `hpt --help` shows the same list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Done,
    /// Something failed.
    Failed,
    /// Changes are pending; only with `--detailed-exitcode`, and of `hpt drift`.
    Pending,
    /// The config is invalid, and nothing was contacted or changed.
    Config,
    /// The target does not allow it.
    NotAllowed,
    /// The target cannot be reached.
    Unreachable,
    /// Another run holds the host.
    Busy,
    /// The session was lost while the run goes on.
    Lost,
    /// A check failed, or nobody confirmed the run in time, and it was undone.
    Reverted,
    /// The keystore is unusable or busy.
    Keystore,
    /// An earlier run broke off, and nobody knows whether its commands have run.
    InDoubt,
    /// The command line makes no sense.
    Usage,
    /// A bug in hpt.
    Bug,
}

impl Exit {
    /// What a run comes to.
    pub(crate) fn of(report: &Report) -> Self {
        match report {
            Report { reverted: true, .. } => Self::Reverted,
            report if report.succeeded() => Self::Done,
            _ => Self::Failed,
        }
    }

    /// The code that the process ends with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Pending => 2,
            Self::Config => 3,
            Self::NotAllowed => 4,
            Self::Unreachable => 5,
            Self::Busy => 6,
            Self::Lost => 7,
            Self::Reverted => 8,
            Self::Keystore => 9,
            Self::InDoubt => 10,
            Self::Usage => 64,
            Self::Bug => 70,
        }
    }
}

/// A command's failure. Words are lower-case sentences: what, where, why; hints say what next.
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    pub(crate) problem: Problem,
    pub(crate) hints: Vec<String>,
}

/// What went wrong.
pub(crate) enum Problem {
    /// One sentence.
    Words(String),
    /// Faults of a config, with the texts that they point into.
    Faults {
        files: Vec<File>,
        faults: Vec<Fault>,
    },
}

impl CommandError {
    pub(crate) fn new(exit: Exit, what: impl ToString) -> Self {
        Self {
            exit,
            problem: Problem::Words(what.to_string()),
            hints: Vec::new(),
        }
    }

    /// What went wrong, in one sentence.
    pub(crate) fn words(&self) -> &str {
        match &self.problem {
            Problem::Words(words) => words,
            Problem::Faults { .. } => "the config is invalid",
        }
    }

    pub(crate) fn usage(what: impl ToString) -> Self {
        Self::new(Exit::Usage, what)
    }

    pub(crate) fn faults(files: Vec<File>, faults: Vec<Fault>) -> Self {
        Self {
            exit: Exit::Config,
            problem: Problem::Faults { files, faults },
            hints: Vec::new(),
        }
    }

    /// For `map_err`: what makes a config unusable here becomes a fault at its place in the config.
    pub(crate) fn at(files: &[File], place: &Place) -> impl Fn(Self) -> Self {
        move |error| match error {
            Self {
                exit: Exit::Config,
                problem: Problem::Words(what),
                hints,
            } => {
                let mut fault = Fault::error(what, place.clone());
                fault.hint = (!hints.is_empty()).then(|| hints.join("; "));
                Self::faults(files.to_vec(), vec![fault])
            }
            error => error,
        }
    }

    /// For `map_err`: an I/O error that names its path.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = format!("{}: cannot {doing}", path.display());
        move |why| Self::new(Exit::Failed, format!("{what}: {why}"))
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl ToString) -> Self {
        self.hints.push(hint.to_string());
        self
    }
}

impl From<PassphraseError> for CommandError {
    fn from(error: PassphraseError) -> Self {
        match error {
            PassphraseError::Load(error) => error.into(),
            error => Self::new(Exit::Keystore, error),
        }
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        let hint = match &error {
            LoadError::File(file) => hint_for(file),
            LoadError::Role { .. } => {
                Some("`--keystore FILE` or HPT_KEYSTORE names another".to_owned())
            }
            LoadError::Damaged { .. } | LoadError::Schema { .. } => None, // they say what to do
        };
        let text = error.to_string();
        match text.split_once("; ") {
            Some((what, next)) if hint.is_none() => Self::new(Exit::Keystore, what).hint(next),
            _ => hint
                .into_iter()
                .fold(Self::new(Exit::Keystore, text), Self::hint),
        }
    }
}

fn hint_for(error: &FileError) -> Option<String> {
    match error {
        FileError::Missing { .. } => Some(
            "`hpt gen-client-keys` makes one; `--keystore FILE` or HPT_KEYSTORE names another"
                .into(),
        ),
        FileError::InUse { .. } => Some("try again when that process has ended".into()),
        FileError::Exists { .. } => Some("`--force` replaces it, `--output` names another".into()),
        _ => None,
    }
}

impl From<FindError> for CommandError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Load(error) => error.into(),
            FindError::Unknown { name, known, path } => {
                let near = nearest(name.as_str(), known.iter().map(TargetName::as_str));
                let this = Self::new(
                    Exit::Keystore,
                    format!("{}: no target is called {name}", path.display()),
                );
                match near {
                    Some(near) => this.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => this.hint(format!(
                        "`hpt gen-target-keys --target {name}` makes its keys"
                    )),
                    None => this.hint("`hpt list-target-keys` lists those that there are"),
                }
            }
        }
    }
}

impl From<CreateError> for CommandError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Load(error) => error.into(),
            error @ CreateError::LocksOut { .. } => Self::new(Exit::Keystore, error).hint(
                "`--force` replaces them all the same; `hpt backup FILE` first keeps a way back",
            ),
        }
    }
}

impl From<PinError> for CommandError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Load(error) => error.into(),
            PinError::Taken(ref pinned) => {
                let hint = format!(
                    "`--force` makes new keys; the host loses touch until its new keystore is \
                     delivered, or `hpt remove {}` first",
                    pinned.name
                );
                Self::new(Exit::Keystore, error).hint(hint)
            }
        }
    }
}

impl From<GenTargetError> for CommandError {
    fn from(error: GenTargetError) -> Self {
        match error {
            GenTargetError::Pin(error) => error.into(),
            GenTargetError::Output(error) => error.into(),
            error @ GenTargetError::HalfDone(_) => Self::new(Exit::Keystore, error),
        }
    }
}

impl From<RenameError> for CommandError {
    fn from(error: RenameError) -> Self {
        match error {
            RenameError::Find(error) => error.into(),
            RenameError::Taken(ref pinned) => {
                let hint = format!("`hpt remove {}` forgets that one", pinned.name);
                Self::new(Exit::Keystore, error).hint(hint)
            }
        }
    }
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Load(error) => error.into(),
            BackupError::Write(error @ FileError::Exists { .. }) => {
                Self::new(Exit::Keystore, error)
                    .hint("a backup never replaces a file: `hpt backup FILE` with another name")
            }
            error => Self::new(Exit::Keystore, error),
        }
    }
}

impl From<RestoreError> for CommandError {
    fn from(error: RestoreError) -> Self {
        match error {
            // Only the backup can be missing, and keys made anew would be no backup.
            RestoreError::Load(error @ LoadError::File(FileError::Missing { .. })) => {
                Self::new(Exit::Keystore, error)
                    .hint("`hpt restore FILE` takes what `hpt backup FILE` wrote")
            }
            RestoreError::Load(error) => error.into(),
            error @ RestoreError::OtherRole { .. } => Self::new(Exit::Keystore, error)
                .hint("`--keystore FILE` or HPT_KEYSTORE names the one that it is a backup of"),
            error @ (RestoreError::Newer { .. } | RestoreError::OtherKeys { .. }) => {
                Self::new(Exit::Keystore, error).hint("`--force` restores all the same")
            }
            error => Self::new(Exit::Keystore, error),
        }
    }
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
