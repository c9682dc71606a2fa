//! Waits for the lock files of a package manager, and knows who holds them (A7).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Flock, FlockOffsetType, FlockType, Pid};

use super::deadline;
use super::processes;
use crate::host::HostError;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// A lock file, and what of it says that somebody holds it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lock<'a> {
    /// A record lock, as `fcntl` sets them.
    Record(&'a str),
    /// A lock on the whole file, as `flock` sets them.
    Whole(&'a str),
    /// The number of a living process in it.
    Pid(&'a str),
    /// That it is there at all.
    Presence(&'a str),
}

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Process(Pid),
    /// The file does not say.
    Somebody,
}

/// Waits until nobody holds any of the locks, `most` at the longest; `tell` hears once of each
/// holder. Nothing is locked here: the manager itself does that, a moment later.
pub(super) fn wait(
    locks: &[Lock<'_>],
    most: Duration,
    tell: &mut dyn FnMut(String),
) -> Result<(), HostError> {
    let most = deadline::left(most);
    let begun = Instant::now();
    let mut told = None;
    while let Some((file, holder)) = locks.iter().find_map(Lock::held) {
        let by = match holder {
            Holder::Process(pid) => format!("{} (pid {})", processes::name(pid), pid.as_raw_pid()),
            Holder::Somebody => "somebody".to_owned(),
        };
        if begun.elapsed() >= most {
            let seconds = most.as_secs();
            let hint = match holder {
                Holder::Process(_) => "",
                Holder::Somebody => "; if nobody is at work, it was left behind: remove it",
            };
            return Err(HostError::Refused(format!(
                "waited {seconds} s for the lock {file}, which {by} holds{hint}"
            )));
        }
        if told != Some(holder) {
            tell(format!("waiting for the lock {file} held by {by}"));
            told = Some(holder);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

impl<'a> Lock<'a> {
    /// The file and who holds it; `None` if nobody does.
    fn held(&self) -> Option<(&'a str, Holder)> {
        let (file, holder) = match *self {
            Self::Record(file) => (file, Holder::Process(record_holder(Path::new(file))?)),
            Self::Whole(file) => (file, Holder::Process(whole_holder(Path::new(file))?)),
            Self::Pid(file) => (file, Holder::Process(named_holder(Path::new(file))?)),
            Self::Presence(file) => {
                Path::new(file).symlink_metadata().ok()?;
                (file, Holder::Somebody)
            }
        };
        Some((file, holder))
    }
}

/// The living process whose number a file holds.
fn named_holder(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    Path::new(&format!("/proc/{}", pid.as_raw_pid()))
        .exists()
        .then_some(pid)
}

/// Who holds a `flock` on a file, as /proc/locks tells:
/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`.
fn whole_holder(file: &Path) -> Option<Pid> {
    let inode = fs::metadata(file).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words[..] else {
            return None;
        };
        let (_device, at) = place.rsplit_once(':')?;
        (at == inode)
            .then(|| Pid::from_raw(pid.parse().ok()?))
            .flatten()
    })
}

/// Who holds a write lock on a file; `None` also if the file is not there.
fn record_holder(file: &Path) -> Option<Pid> {
    let file = rustix::fs::open(
        file,
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
    .ok()?;
    let whole = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    rustix::process::fcntl_getlk(&file, &whole).ok()??.pid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::live::command::Spawn;

    /// A7. Another process takes the lock, as apt would.
    #[test]
    fn the_holder_of_a_lock_is_named_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let name = path.display().to_string();
        let lock = Lock::Record(&name);
        wait(&[lock], Duration::ZERO, &mut |_| {}).unwrap();
        std::fs::write(&path, "").unwrap();
        wait(&[lock], Duration::ZERO, &mut |_| {}).unwrap();
        let script = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); \
                      open(sys.argv[1]+'.held','w'); time.sleep(1.5)";
        let args = [
            "-c".to_owned(),
            script.to_owned(),
            path.display().to_string(),
        ];
        std::thread::scope(|scope| {
            let holder = scope.spawn(|| Spawn::tool("python3", args).run(&mut |_, _| {}));
            while !dir.path().join("lock.held").exists() {
                if holder.is_finished() {
                    return; // no python3 here: nobody to hold the lock
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let refused = wait(&[lock], Duration::from_millis(100), &mut |_| {}).unwrap_err();
            assert!(
                refused.to_string().contains("which python3 (pid "),
                "{refused}"
            );
            let mut told = Vec::new();
            wait(&[lock], Duration::from_secs(10), &mut |note| {
                told.push(note);
            })
            .unwrap();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("held by python3 (pid "), "{told:?}");
        });
    }
}
