//! What runs write down: one file per run, of what is about to be done and of what was told (J1).
//!
//! A run's file is `runs/ID.open` while it goes on and `runs/ID.run` once it has ended; one whose
//! process ended before it did stays open until the next run begins, and is `runs/ID.cut` from then on.
//! Ids begin with the time, so that names are in the order of runs. A journal holds what commands wrote
//! with secrets masked, and no content of any file; all of it is for root alone.

mod changes;
mod deeds;
pub(crate) mod follow;
mod frame;
mod id;
mod read;
mod so_far;
mod used;
mod write;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::Places;
use crate::confirm::Confirmation;
use crate::ledger::forget_found;
use crate::state::{StateError, private_dir};

pub(crate) use self::changes::Past;
pub(crate) use self::deeds::{Doing, Doings};
pub(crate) use self::id::is_id;
pub use self::id::name_run;
pub(crate) use self::read::Standing;
pub(crate) use self::so_far::so_far;
pub(crate) use self::write::Journal;

/// Runs that are kept besides the newest.
const KEPT: usize = 100;

/// The file whose being there tells a run to stop.
pub(crate) fn cancel_path(run_dir: &Path, id: &str) -> PathBuf {
    run_dir.join(format!("cancel-{id}"))
}

/// The runs of one host.
#[derive(Debug, Clone)]
pub(crate) struct Journals {
    dir: PathBuf,
}

/// How a run's file is called by what has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Cut,
}

impl State {
    const ALL: [Self; 3] = [Self::Open, Self::Ended, Self::Cut];

    fn suffix(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "run",
            Self::Cut => "cut",
        }
    }
}

impl Journals {
    /// Makes their directory if it is missing.
    pub(crate) fn open(places: &Places) -> Result<Self, StateError> {
        let this = Self::at(places);
        private_dir(&this.dir)?;
        Ok(this)
    }

    /// Where they are, whether there are any or not.
    pub(crate) fn at(places: &Places) -> Self {
        let dir = places.of_root().join("runs");
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The ids of all runs, oldest first, with what has become of each.
    fn all(&self) -> io::Result<Vec<(String, State)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let Some((id, suffix)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
                continue;
            };
            if let Some(state) = State::ALL.into_iter().find(|s| s.suffix() == suffix) {
                all.push((id.to_owned(), state));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// The ids of all runs, oldest first.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        Ok(self.all()?.into_iter().map(|(id, _)| id).collect())
    }

    /// The newest run.
    pub(crate) fn last(&self) -> io::Result<Option<String>> {
        Ok(self.ids()?.pop())
    }

    fn path(&self, id: &str, state: State) -> PathBuf {
        self.dir.join(format!("{id}.{}", state.suffix()))
    }

    /// Whether there is such a run.
    pub(crate) fn has(&self, id: &str) -> io::Result<bool> {
        Ok(self.find(id)?.is_some())
    }

    /// Whether a run has told its end.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        is_id(id) && self.path(id, State::Ended).exists()
    }

    /// The file of a run, whatever has become of it; `None` if there is no such run.
    fn find(&self, id: &str) -> io::Result<Option<fs::File>> {
        if !is_id(id) {
            return Ok(None);
        }
        // It may end between two looks, but it does not go back.
        for state in State::ALL {
            match fs::File::open(self.path(id, state)) {
                Ok(file) => return Ok(Some(file)),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Marks all unfinished runs as cut, but for the one that goes on, and drops the oldest.
    pub(crate) fn put_away(&self, but: Option<&str>) -> io::Result<()> {
        let all = self.all()?;
        let others = all.iter().filter(|(id, _)| Some(id.as_str()) != but);
        for (id, _) in others.filter(|(_, state)| *state == State::Open) {
            fs::rename(self.path(id, State::Open), self.path(id, State::Cut))?;
        }
        let all = self.all()?;
        let (dropped, kept) = all.split_at(all.len().saturating_sub(KEPT));
        for (id, state) in dropped {
            let confirmation = Confirmation::of(self, id);
            if confirmation.as_ref().is_some_and(Confirmation::is_open) {
                continue; // it is still to be undone
            }
            fs::remove_file(self.path(id, *state))?;
            self.forget_plan_of(id)?;
            if let Some(confirmation) = confirmation {
                confirmation.forget();
            }
        }
        match (dropped, kept) {
            ([_, ..], [(oldest, _), ..]) => forget_found(&self.dir, oldest),
            _ => Ok(()),
        }
    }
}
