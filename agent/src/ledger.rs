//! Where a host keeps what each config owns on it: `STATE/ledger/NAME.json`.
//!
//! A run writes its config's before its first effect and after its last one. The one that it found stays
//! beside its journal as `runs/ID.NAME.ledger`, until the journal goes: an undo of the run begins with it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use hpt_provisioner::ledger::{Deeds, Ledger};
use hpt_provisioner::report::{Outcome, Report};

use crate::Places;
use crate::journal::{Doings, Journals, Past};
use crate::state::{replace, sweep};

/// How the file of a ledger ends.
const JSON: &str = ".json";
/// How one ends that a run has found.
const FOUND: &str = ".ledger";

/// The ledgers of a host.
pub(crate) struct Ledgers {
    dir: PathBuf,
    journals: Journals,
}

/// Those of one config and of all others.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) mine: Ledger,
    pub(crate) others: Vec<Ledger>,
}

impl Ledgers {
    pub(crate) fn of(places: &Places, journals: Journals) -> Self {
        let dir = places.of_root().join("ledger");
        Self { dir, journals }
    }

    /// All of them. What a run had begun that ended otherwise is settled by what its journal says.
    pub(crate) fn read(&self) -> io::Result<Vec<Ledger>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(JSON));
            names.extend(name.map(ToOwned::to_owned));
        }
        names.iter().map(|name| self.read_one(name)).collect()
    }

    fn read_one(&self, name: &str) -> io::Result<Ledger> {
        let path = self.path(name);
        let mut ledger = parse(&path)?;
        if let Some(run) = ledger.open.clone() {
            self.settle(&mut ledger, &run, &self.deeds(&run)?)?;
        }
        Ok(ledger)
    }

    /// Removes what a run has left of one that died as it was written.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        sweep(&self.dir)
    }

    /// Those of a config and of all others.
    pub(crate) fn books(&self, name: &str) -> io::Result<Books> {
        let (mut mine, others): (Vec<_>, Vec<_>) =
            self.read()?.into_iter().partition(|book| book.name == name);
        Ok(Books {
            mine: mine.pop().unwrap_or_else(|| Ledger::new(name)),
            others,
        })
    }

    /// Those that a run of this config has found, and the one that it began with: for one that goes on.
    pub(crate) fn books_of(&self, run: &str, name: &str) -> io::Result<(Books, Ledger)> {
        let mut books = self.books(name)?;
        books.mine = match parse(&self.found(run, name)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ledger::new(name),
            found => found?,
        };
        Ok((books, parse(&self.path(name))?))
    }

    /// Puts a ledger in the place of the one that there is.
    pub(crate) fn write(&self, ledger: &Ledger) -> io::Result<()> {
        let mut text = serde_json::to_vec(ledger).expect("texts and numbers");
        text.push(b'\n');
        replace(&self.path(&ledger.name), &text)
    }

    /// Keeps the ledger that is there for an undo of this run, and writes the one that it begins with.
    pub(crate) fn begin(&self, run: &str, ledger: &Ledger) -> io::Result<()> {
        let found = self.found(run, &ledger.name);
        match fs::hard_link(self.path(&ledger.name), found) {
            Err(e) if e.kind() == ErrorKind::NotFound => {} // it is the first
            linked => linked?,
        }
        self.write(ledger)
    }

    /// Notes what a run has come to, of whose blocks these are the ids. What cannot be written now is
    /// settled by whoever reads it next.
    pub(crate) fn end<'a>(
        &self,
        run: &str,
        mut ledger: Ledger,
        report: &Report,
        ids: impl Iterator<Item = &'a str>,
    ) {
        let settled = self.deeds(run).and_then(|mut deeds| {
            for (id, end) in ids.zip(&report.blocks) {
                let deed = deeds.blocks.entry(id.to_owned()).or_default();
                deed.outcome = Some(end.outcome);
            }
            self.settle(&mut ledger, run, &deeds)?;
            self.write(&ledger)
        });
        if let Err(why) = settled {
            tracing::error!("what the run has come to cannot be noted in the ledger: {why}");
        }
    }

    /// Notes what a run has come to. What it has put back by itself is owned as it was before.
    fn settle(&self, ledger: &mut Ledger, run: &str, deeds: &Deeds) -> io::Result<()> {
        ledger.settle(deeds);
        let is_reverted = |id: &str| {
            let deed = deeds.blocks.get(id);
            deed.is_some_and(|deed| deed.outcome == Some(Outcome::Reverted))
        };
        if deeds.blocks.keys().any(|id| is_reverted(id)) {
            let before = self.before(run, &ledger.name)?;
            ledger.undo(run, &before, &is_reverted);
        }
        Ok(())
    }

    /// What a config owned before this run.
    fn before(&self, run: &str, name: &str) -> io::Result<Ledger> {
        match parse(&self.found(run, name)) {
            Ok(mut before) => {
                // One that broke off was settled by nobody before this run.
                before.open = None;
                Ok(before)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Ledger::new(name)),
            Err(e) => Err(e),
        }
    }

    /// The ledgers that an undo of this run changes, as they were before it and as they are now. What the
    /// run has removed is owned again from here on, whatever becomes of the undo.
    pub(crate) fn begin_undo(&self, past: &Past, by: &str) -> io::Result<Vec<(Ledger, Ledger)>> {
        let run = past.begun.running.run.as_str();
        let ids: BTreeSet<&str> = past.blocks.iter().map(|block| block.id.as_str()).collect();
        let mut all = Vec::new();
        for mut now in self.read()? {
            let before = self.before(run, &now.name)?;
            let known = now.things.clone();
            now.reown(&before, &|id| ids.contains(id));
            let is_changed = now.things.iter().any(|owned| owned.last.run == run);
            if is_changed || now.things != known {
                self.begin(by, &now)?;
                all.push((before, now));
            }
        }
        Ok(all)
    }

    /// Notes what the undo of a run has put back.
    pub(crate) fn end_undo(&self, past: &Past, report: &Report, ledgers: Vec<(Ledger, Ledger)>) {
        let stays = |id: &str| {
            let ends = past.blocks.iter().zip(&report.blocks);
            let mut mine = ends.filter(|(block, _)| block.id == id);
            mine.any(|(_, end)| !matches!(end.outcome, Outcome::Reverted | Outcome::Ok))
        };
        for (before, mut now) in ledgers {
            now.undo(&past.begun.running.run, &before, &|id| !stays(id));
            if let Err(why) = self.write(&now) {
                tracing::error!("what was undone cannot be noted in the ledger: {why}");
            }
        }
    }

    fn deeds(&self, run: &str) -> io::Result<Deeds> {
        let doings = Doings::of(&self.journals, run)?;
        Ok(doings.map_or_else(Deeds::default, Doings::deeds))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{JSON}"))
    }

    fn found(&self, run: &str, name: &str) -> PathBuf {
        self.journals.dir().join(format!("{run}.{name}{FOUND}"))
    }
}

/// Removes what runs have found that began before this one.
pub(crate) fn forget_found(runs: &Path, oldest: &str) -> io::Result<()> {
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let name = entry.file_name();
        let run = name.to_str().filter(|name| name.ends_with(FOUND));
        let run = run.and_then(|name| name.split_once('.'));
        if run.is_some_and(|(run, _)| run < oldest) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn parse(path: &Path) -> io::Result<Ledger> {
    let bytes = fs::read(path)?;
    serde_json::from_slice(&bytes).map_err(|why| {
        let what = format!("{} is damaged: {why}", path.display());
        io::Error::new(ErrorKind::InvalidData, what)
    })
}
