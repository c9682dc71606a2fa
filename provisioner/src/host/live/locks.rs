//! Waits for the lock files of a package manager, and knows who holds them (A7).

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Flock, FlockOffsetType, FlockType, Pid};

use super::processes;
use crate::host::HostError;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until nobody holds any of the lock files, `most` at the longest; `tell` hears once of each
/// holder. Nothing is locked here: the manager itself does that, a moment later.
pub(super) fn wait(
    files: &[&Path],
    most: Duration,
    tell: &mut dyn FnMut(String),
) -> Result<(), HostError> {
    let begun = Instant::now();
    let mut told = None;
    while let Some((file, pid)) = files.iter().find_map(|file| Some((*file, holder(file)?))) {
        let by = format!("{} (pid {})", processes::name(pid), pid.as_raw_pid());
        if begun.elapsed() >= most {
            let (file, seconds) = (file.display(), most.as_secs());
            return Err(HostError::Refused(format!(
                "waited {seconds} s for the lock {file}, which {by} holds"
            )));
        }
        if told != Some(pid) {
            tell(format!(
                "waiting for the lock {} held by {by}",
                file.display()
            ));
            told = Some(pid);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Who holds a write lock on a file; `None` also if the file is not there.
fn holder(file: &Path) -> Option<Pid> {
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
        wait(&[&path], Duration::ZERO, &mut |_| {}).unwrap();
        std::fs::write(&path, "").unwrap();
        wait(&[&path], Duration::ZERO, &mut |_| {}).unwrap();
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
            let refused = wait(&[&path], Duration::from_millis(100), &mut |_| {}).unwrap_err();
            assert!(
                refused.to_string().contains("which python3 (pid "),
                "{refused}"
            );
            let mut told = Vec::new();
            wait(&[&path], Duration::from_secs(10), &mut |note| {
                told.push(note);
            })
            .unwrap();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("held by python3 (pid "), "{told:?}");
        });
    }
}
