//! One run per host (A4): a kernel lock that dies with the process that holds it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

use hpt_proto::Running;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::Places;
use crate::process;
use crate::state::{StateError, private_dir};

/// How often, and after what pauses, a lock is tried again: whoever took it has its name to write, and
/// whoever was killed lets it go a moment later. In all less than 100 ms.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(10);

/// The host is ours until this is dropped, however the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why the host is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A run holds it.
    #[error("run {} of {} holds the host", .0.run, .0.by)]
    Busy(Running),
    /// The lock's file cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Lock {
    /// Takes the host for a run, or says within 100 ms who has it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(places: &Places, running: &Running) -> Result<Self, LockError> {
        let path = places.run.join("lock");
        let cannot = |why| LockError::from(StateError::io("cannot lock", &path)(why));
        let mut file = open(places)?;
        let mut holder = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            if try_lock(&file).map_err(cannot)? {
                write(&mut file, running).map_err(cannot)?;
                return Ok(Self { file });
            }
            holder = read(&mut file).map_err(cannot)?;
            if holder.is_some() {
                break;
            }
        }
        let unnamed = || Running {
            run: "?".into(),
            by: "?".into(),
            since: 0,
        };
        Err(LockError::Busy(holder.unwrap_or_else(unnamed)))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The name goes before the lock does; a process that is killed leaves it, and nobody asks.
        let _ = self.file.set_len(0);
    }
}

/// Which run holds the host, if one does. It does not take the lock, not even for a moment: those who
/// look keep nobody from taking it.
///
/// # Errors
/// If the lock's file cannot be used.
pub fn holder(places: &Places) -> Result<Option<Running>, StateError> {
    let path = places.run.join("lock");
    let mut file = open(places)?;
    read(&mut file).map_err(StateError::io("cannot read", &path))
}

fn open(places: &Places) -> Result<File, StateError> {
    private_dir(&places.run)?;
    let path = places.run.join("lock");
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
        .open(&path)
        .map_err(StateError::io("cannot open", &path))
}

fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Four lines: the run, who started it, since when, and the process. Names have no line feeds.
fn write(file: &mut File, running: &Running) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    let Running { run, by, since } = running;
    let process = process::own();
    file.write_all(format!("{run}\n{by}\n{since}\n{process}\n").as_bytes())
}

/// `None` while the holder has not written its name yet, or wipes it; and of one that was killed.
fn read(file: &mut File) -> io::Result<Option<Running>> {
    let mut text = String::new();
    file.rewind()?;
    file.take(1024).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let mut next = || lines.next().map(str::to_owned);
    let (run, by, since, process) = (next(), next(), next(), next());
    let since = since.and_then(|s| s.parse().ok());
    let process = process.filter(|process| text.ends_with('\n') && process::lives(process));
    Ok(match (run, by, since, process) {
        (Some(run), Some(by), Some(since), Some(_)) => Some(Running { run, by, since }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Instant;

    use super::*;

    fn places(dir: &std::path::Path) -> Places {
        Places {
            run: dir.join("run"),
            ..Places::default()
        }
    }

    fn run(name: &str) -> Running {
        Running {
            run: name.into(),
            by: "laptop".into(),
            since: 1_750_000_000,
        }
    }

    #[test]
    fn a_contender_is_told_who_holds_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        assert_eq!(holder(&places).unwrap(), None);
        let lock = Lock::take(&places, &run("first")).unwrap();
        let tried = (0..10).map(|_| {
            let asked = Instant::now();
            match Lock::take(&places, &run("second")) {
                Err(LockError::Busy(holder)) => assert_eq!(holder, run("first")),
                _ => panic!("the host was taken twice"),
            }
            asked.elapsed()
        });
        // Of ten answers one is as quick as they all are on a machine with nothing else to do.
        let quickest = tried.min().unwrap();
        assert!(quickest < Duration::from_millis(100), "{quickest:?}");
        assert_eq!(holder(&places).unwrap(), Some(run("first")));
        drop(lock);
        assert_eq!(holder(&places).unwrap(), None);
        Lock::take(&places, &run("third")).unwrap();
    }

    /// A4: of 50 that ask at once exactly one gets the host.
    #[test]
    fn one_of_fifty_contenders_gets_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let start = Barrier::new(50);
        let locks: Vec<_> = std::thread::scope(|scope| {
            let contend = |i: usize| {
                let (places, start) = (&places, &start);
                scope.spawn(move || {
                    start.wait();
                    Lock::take(places, &run(&i.to_string())).ok()
                })
            };
            let contenders: Vec<_> = (0..50).map(contend).collect();
            contenders
                .into_iter()
                .filter_map(|c| c.join().unwrap())
                .collect()
        });
        assert_eq!(locks.len(), 1);
    }

    /// What a process has left that was killed names nobody.
    #[test]
    fn a_name_without_its_process_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        drop(Lock::take(&places, &run("first")).unwrap());
        let note = format!("gone\nlaptop\n1\n{} 1\n", std::process::id());
        std::fs::write(places.run.join("lock"), note).unwrap();
        assert_eq!(holder(&places).unwrap(), None);
        let _lock = Lock::take(&places, &run("second")).unwrap();
        assert_eq!(holder(&places).unwrap(), Some(run("second")));
    }

    /// Those who only look do not make a free host look taken.
    #[test]
    fn looking_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        std::thread::scope(|scope| {
            let look = || {
                for _ in 0..2_000 {
                    holder(&places).unwrap();
                }
            };
            let looking: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
            while !looking
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
            {
                drop(Lock::take(&places, &run("x")).unwrap());
            }
        });
    }
}
