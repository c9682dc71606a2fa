//! Runs that are undone unless they are confirmed in time, and what has become of each (J3).
//!
//! Beside its journal such a run has a file whose name says where it stands: `runs/ID.armed` from before
//! its first effect on, then `ID.confirmed`, or `ID.reverting` and at last `ID.reverted`, which is there
//! only when an undo has put back all that can be put back. Whoever renames the armed one has decided.
//! `ID.over` says since when its end is told: its time begins then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use hpt_proto::{Running, Undone, wire};
use rustix::fs::FlockOperation;
use rustix::time::ClockId;

use crate::journal::{Journals, is_id};
use crate::process;
use crate::ruleset;
use crate::standby;

/// Ends the name of the file that says why a run could not be undone yet.
const TROUBLE: &str = "trouble";
/// What changes with every boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Where a run stands that must be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It will be undone unless it is confirmed.
    Armed,
    /// It stays.
    Confirmed,
    /// Its time has passed, or somebody has begun to undo it: it is undone, however often that takes.
    Reverting,
    /// It was undone, but for what nothing can put back.
    Reverted,
}

impl Stage {
    const ALL: [Self; 4] = [
        Self::Armed,
        Self::Confirmed,
        Self::Reverting,
        Self::Reverted,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Confirmed => "confirmed",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
        }
    }
}

/// Why a run is not confirmed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unconfirmed {
    #[error("this key is not pinned here any more, or without the grant apply")]
    NotAllowed,
    #[error("hpt cannot start again as it does now: {0}")]
    Keystore(String),
    #[error("there is no run {0} that has to be confirmed")]
    Unasked(String),
    #[error("run {run} has not ended yet")]
    GoesOn {
        run: String,
        /// It has told its end, and that is noted in a moment.
        told: bool,
    },
    #[error("run {0} is confirmed over a session that began after its end; this one is older")]
    OldSession(String),
    #[error("it is too late: run {run} is being undone{trouble}")]
    Reverting { run: String, trouble: String },
    #[error("it is too late: run {} was undone by run {}", .0, .1.by)]
    Reverted(String, Undone),
    #[error("the confirmation cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// What keeps a run from being undone, and what its undo has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) why: String,
    pub(crate) so_far: Undone,
}

/// The confirmation of one run.
pub(crate) struct Confirmation {
    dir: PathBuf,
    run: String,
}

impl Confirmation {
    /// Of a run, whether it needs one or not; `None` if that is no run's name.
    pub(crate) fn of(journals: &Journals, run: &str) -> Option<Self> {
        is_id(run).then(|| Self {
            dir: journals.dir().to_owned(),
            run: run.to_owned(),
        })
    }

    /// Those of all runs that are not decided yet, oldest first.
    pub(crate) fn open(journals: &Journals) -> io::Result<Vec<Self>> {
        let undecided = [Stage::Armed, Stage::Reverting].map(Stage::suffix);
        let mut open = Vec::new();
        for entry in fs::read_dir(journals.dir())? {
            let name = entry?.file_name();
            let Some((run, suffix)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
                continue;
            };
            if undecided.contains(&suffix) {
                open.extend(Self::of(journals, run));
            }
        }
        open.sort_by(|a, b| a.run.cmp(&b.run));
        Ok(open)
    }

    /// Whether it is not decided yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage(), Some(Stage::Armed | Stage::Reverting))
    }

    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Has the run be undone this long after its end. It is on disk before anything else is done. A run
    /// that goes on after a reboot is armed anew.
    pub(crate) fn arm(&self, window: Duration) -> io::Result<()> {
        let _ = fs::remove_file(self.path("over"));
        let text = format!("{} {}\n", window.as_secs(), boot()?);
        let temp = self.path("tmp");
        let mut file = private(&temp)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        self.become_of(&temp, Stage::Armed)
    }

    /// Keeps what is loaded into the running host, and by no file of it.
    pub(crate) fn keep_ruleset(&self) -> io::Result<()> {
        ruleset::keep(&self.path("nft"))
    }

    /// Loads it again.
    pub(crate) fn restore_ruleset(&self) -> io::Result<()> {
        ruleset::restore(&self.path("nft"))
    }

    /// Whether somebody sees to it that it is undone in time.
    pub(crate) fn is_guarded(&self) -> bool {
        fs::read_to_string(self.path("guard")).is_ok_and(|name| process::lives(&name))
    }

    /// What is to be said of it, if it is not decided yet.
    pub(crate) fn words(&self, running: Running) -> Option<wire::Confirming> {
        let undoing = match self.stage()? {
            Stage::Armed => false,
            Stage::Reverting => true,
            Stage::Confirmed | Stage::Reverted => return None,
        };
        let ago = self.ended_ago();
        let left = self.window().saturating_sub(ago.unwrap_or_default());
        // A second that has begun counts.
        let left = left.as_millis().div_ceil(1000);
        Some(wire::Confirming {
            run: Some(running.into()),
            undoing,
            left: u32::try_from(left).unwrap_or(u32::MAX),
            goes_on: ago.is_none(),
        })
    }

    /// Where it stands; `None` if it need not be confirmed.
    pub(crate) fn stage(&self) -> Option<Stage> {
        // It may go on between two looks, but not back.
        let is_there = |stage: &Stage| self.path(stage.suffix()).exists();
        Stage::ALL.into_iter().find(is_there)
    }

    /// Notes that the run's end is told now, from when on it can be confirmed, and that it has done
    /// nothing since `rested`, a time since boot; the first to do so is right.
    pub(crate) fn note_end(&self, rested: Duration) -> io::Result<()> {
        let (told, rested) = (now().as_nanos(), rested.as_nanos());
        let text = format!("{told} {}\n{rested}\n", boot()?);
        // A name that nobody else has: two that note it do not meet.
        let temp = self.path(&format!("tmp-{}", std::process::id()));
        let _ = fs::remove_file(&temp);
        private(&temp)?.write_all(text.as_bytes())?;
        let linked = fs::hard_link(&temp, self.path("over"));
        let _ = fs::remove_file(&temp);
        linked.or_else(|why| match why.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            _ => Err(why),
        })
    }

    /// How long ago the run's end was told, in this boot; `None` if nobody has noted it.
    pub(crate) fn ended_ago(&self) -> Option<Duration> {
        let (nanos, _) = self.in_this_boot("over")?;
        Some(now().saturating_sub(Duration::from_nanos(nanos)))
    }

    /// For how long it has done nothing any more, if its end was told in this boot.
    fn rests_for(&self) -> Option<Duration> {
        let (_, rested) = self.in_this_boot("over")?;
        let nanos = rested.parse().ok()?;
        Some(now().saturating_sub(Duration::from_nanos(nanos)))
    }

    /// How long it waits after the run's end: not at all after a boot.
    pub(crate) fn window(&self) -> Duration {
        let armed = self.in_this_boot(Stage::Armed.suffix());
        Duration::from_secs(armed.map_or(0, |(seconds, _)| seconds))
    }

    /// Confirms the run, if the session that says so began this long ago, and after the run's end.
    pub(crate) fn confirm(&self, session_age: Duration) -> Result<(), Unconfirmed> {
        let run = || self.run.clone();
        match self.stage() {
            None => Err(Unconfirmed::Unasked(run())),
            Some(Stage::Confirmed) => Ok(()),
            Some(Stage::Reverting) => Err(self.reverting()),
            Some(Stage::Reverted) => Err(Unconfirmed::Reverted(run(), self.undone()?)),
            Some(Stage::Armed) => {
                let rests = self.rests_for().ok_or_else(|| Unconfirmed::GoesOn {
                    run: run(),
                    told: false,
                })?;
                if session_age >= rests {
                    return Err(Unconfirmed::OldSession(run()));
                }
                if self.move_on(Stage::Armed, Stage::Confirmed)? {
                    return Ok(());
                }
                Err(self.reverting())
            }
        }
    }

    /// It cannot be confirmed any more; with what keeps it from being undone, if something does.
    fn reverting(&self) -> Unconfirmed {
        let trouble = self.trouble().map(|trouble| trouble.why);
        let trouble = trouble.map(|why| format!(", and that is tried again: {why}"));
        Unconfirmed::Reverting {
            run: self.run.clone(),
            trouble: trouble.unwrap_or_default(),
        }
    }

    /// Keeps for whoever asks why the run could not be undone yet.
    pub(crate) fn note_trouble(&self, trouble: &Trouble) {
        let why = trouble.why.lines().next().unwrap_or_default();
        let text = format!("{why}\n{}", lines(&trouble.so_far));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(self.path(TROUBLE));
        // It is in the log as well.
        let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
    }

    /// What has kept it from being undone so far; `None` if nothing has.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let text = fs::read_to_string(self.path(TROUBLE)).ok()?;
        let (why, so_far) = text.split_once('\n')?;
        Some(Trouble {
            why: why.to_owned(),
            so_far: from_lines(so_far),
        })
    }

    /// Takes it upon the caller to undo the run; false if it is confirmed by then, or never was armed.
    pub(crate) fn claim(&self) -> io::Result<bool> {
        let claimed = self.move_on(Stage::Armed, Stage::Reverting)?;
        Ok(claimed || self.stage() == Some(Stage::Reverting))
    }

    /// Notes how it was undone.
    pub(crate) fn reverted(&self, how: &Undone) -> io::Result<()> {
        let path = self.path(Stage::Reverting.suffix());
        fs::write(&path, lines(how))?;
        File::open(&path)?.sync_data()?;
        self.become_of(&path, Stage::Reverted)?;
        let _ = fs::remove_file(self.path(TROUBLE));
        Ok(())
    }

    /// Leaves it as far as its undo has come, which is not tried again; for who holds the host. `None` if
    /// nothing keeps it from being undone.
    pub(crate) fn give_up(&self) -> io::Result<Option<Undone>> {
        let is_tried = |undone: &Undone| !undone.by.is_empty();
        let so_far = self.trouble().map(|trouble| trouble.so_far);
        match so_far.filter(is_tried) {
            Some(so_far) if self.stage() == Some(Stage::Reverting) => {
                self.reverted(&so_far)?;
                Ok(Some(so_far))
            }
            _ => Ok(None),
        }
    }

    /// How it was undone that is.
    fn undone(&self) -> io::Result<Undone> {
        let text = fs::read_to_string(self.path(Stage::Reverted.suffix()))?;
        Ok(from_lines(&text))
    }

    /// The same; `None` if it is not undone.
    pub(crate) fn how_undone(&self) -> Option<Undone> {
        self.undone().ok()
    }

    /// Keeps others from guarding it for as long as the answer lives; `None` if somebody does already.
    pub(crate) fn guard(&self) -> io::Result<Option<File>> {
        let file = match private(&self.path("guard")) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).open(self.path("guard"))?
            }
            made => made?,
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        file.set_len(0)?;
        (&file).write_all(process::own().as_bytes())?;
        Ok(Some(file))
    }

    /// Removes what there is about a run whose journal goes.
    pub(crate) fn forget(&self) {
        let names = Stage::ALL.map(Stage::suffix).into_iter();
        for name in names.chain(["over", "guard", "nft", TROUBLE]) {
            let _ = fs::remove_file(self.path(name));
        }
        standby::remove(self);
    }

    /// What lies beside the journal of the run, by the end of its name.
    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}.{suffix}", self.run))
    }

    fn move_on(&self, from: Stage, to: Stage) -> io::Result<bool> {
        match self.become_of(&self.path(from.suffix()), to) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            moved => moved.map(|()| true),
        }
    }

    fn become_of(&self, path: &std::path::Path, stage: Stage) -> io::Result<()> {
        fs::rename(path, self.path(stage.suffix()))?;
        File::open(&self.dir)?.sync_all()
    }

    /// The number in a file that was written since the host was booted, and the line below.
    fn in_this_boot(&self, suffix: &str) -> Option<(u64, String)> {
        let text = fs::read_to_string(self.path(suffix)).ok()?;
        let mut lines = text.lines();
        let (number, then) = lines.next()?.split_once(' ')?;
        let number = number
            .parse()
            .ok()
            .filter(|_| boot().is_ok_and(|now| now == then))?;
        Some((number, lines.next().unwrap_or_default().to_owned()))
    }
}

/// The same for the process of the run itself; where it fails, the guardian notes it in its stead.
pub(crate) fn note_end(journals: &Journals, run: &str, rested: Duration) {
    let confirmation = Confirmation::of(journals, run);
    let noted = confirmation.map_or(Ok(()), |confirmation| confirmation.note_end(rested));
    if let Err(why) = noted {
        tracing::error!("the end of run {run} cannot be noted: {why}");
    }
}

/// The run that has undone another, and the ids of what stays, a line each.
fn lines(undone: &Undone) -> String {
    let lines = [&undone.by].into_iter().chain(&undone.stays);
    let lines: Vec<_> = lines.map(String::as_str).collect();
    lines.join("\n")
}

fn from_lines(text: &str) -> Undone {
    let mut lines = text.lines().map(str::to_owned);
    Undone {
        by: lines.next().unwrap_or_default(),
        stays: lines.collect(),
    }
}

fn private(path: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// The id of this boot.
pub(crate) fn boot() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT)?.trim_end().to_owned())
}

/// The time since the host was booted, the same in all processes.
pub(crate) fn now() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}
