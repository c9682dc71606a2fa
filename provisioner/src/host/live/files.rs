//! The content of files: hashed in a stream, remembered by stat, read whole when short.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FileType, Statx};
use rustix::io::Errno;

use super::spot::{Spot, failed, file_type, stat_fd};
use super::stamp::{Stamp, now};
use crate::host::{Hash, HostError};
use crate::name::AbsPath;

/// What [`read`] reads at most.
pub(super) const MOST_READ: u64 = 1 << 20;

/// A buffer no larger than this is enough to keep a disk busy.
const CHUNK: u64 = 256 << 10;

/// When the cache holds as many entries it is emptied: about 100 bytes each.
const MOST_KEPT: usize = 200_000;

/// Hashes of file contents by what stat showed when they were read. It may outlive a plan: an entry
/// is only kept if any later change must show in the stat.
#[derive(Default)]
pub(super) struct HashCache(Mutex<HashMap<Stamp, Hash>>);

impl HashCache {
    fn get(&self, stamp: &Stamp) -> Option<Hash> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(stamp)
            .copied()
    }

    /// The content that shows this stamp has this hash.
    pub(super) fn keep(&self, stamp: Stamp, hash: Hash) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(stamp, hash);
    }
}

/// The hash of the regular file at a spot; `path` is for words.
pub(super) fn hash(
    spot: &Spot,
    path: &AbsPath,
    cache: &HashCache,
) -> Result<Option<Hash>, HostError> {
    let Some(seen) = spot.stat().map_err(|e| failed("cannot look at", path, e))? else {
        return Ok(None);
    };
    if !is_regular(&seen, path)? {
        return Ok(None);
    }
    if let Some(hash) = cache.get(&Stamp::of(&seen)) {
        return Ok(Some(hash));
    }
    let moment = now();
    let Some((file, before)) = open(spot, path)? else {
        return Ok(None);
    };
    let mut hasher = blake3::Hasher::new();
    stream(&file, before.stx_size, |bytes| {
        hasher.update(bytes);
        Ok(())
    })
    .map_err(|e| failed("cannot read", path, e))?;
    let after = stat_fd(&file).map_err(|e| failed("cannot look at", path, e))?;
    let (hash, stamp) = (hasher.finalize(), Stamp::of(&after));
    if stamp == Stamp::of(&before) && stamp.settled(moment) {
        cache.keep(stamp, hash);
    }
    Ok(Some(hash))
}

/// The bytes of the regular file at a spot, at most [`MOST_READ`]; `path` is for words.
pub(super) fn read(spot: &Spot, path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError> {
    read_up_to(spot, path, MOST_READ).map(|bytes| bytes.map(Arc::from))
}

/// As [`read`], for files of the system whose length is known to be reasonable.
pub(super) fn read_up_to(
    spot: &Spot,
    path: &AbsPath,
    most: u64,
) -> Result<Option<Vec<u8>>, HostError> {
    let Some((file, stat)) = open(spot, path)? else {
        return Ok(None);
    };
    let mut all = Vec::new();
    stream(&file, stat.stx_size, |bytes| {
        all.extend_from_slice(bytes);
        // A file may grow while it is read.
        if u64::try_from(all.len()).is_ok_and(|n| n <= most) {
            Ok(())
        } else {
            Err(Errno::FBIG)
        }
    })
    .map_err(|e| failed("cannot read", path, e))?;
    Ok(Some(all))
}

pub(super) fn open(spot: &Spot, path: &AbsPath) -> Result<Option<(OwnedFd, Statx)>, HostError> {
    let file = match spot.open() {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(not_regular(path, "a symbolic link")),
        Err(Errno::NXIO) => return Err(not_regular(path, "a socket or device")),
        Err(e) => return Err(failed("cannot open", path, e)),
    };
    // Asked again of what was opened: the name may have changed hands since.
    let stat = stat_fd(&file).map_err(|e| failed("cannot look at", path, e))?;
    is_regular(&stat, path)?;
    Ok(Some((file, stat)))
}

fn is_regular(stat: &Statx, path: &AbsPath) -> Result<bool, HostError> {
    match file_type(stat) {
        FileType::RegularFile => Ok(true),
        FileType::Directory => Err(not_regular(path, "a directory")),
        FileType::Symlink => Err(not_regular(path, "a symbolic link")),
        _ => Err(not_regular(path, "a FIFO, socket or device")),
    }
}

fn not_regular(path: &AbsPath, what: &str) -> HostError {
    HostError::Unsafe {
        path: path.to_string(),
        why: format!("it is {what}, not a regular file"),
    }
}

/// Hands the bytes of an open file to `take` until its end, or until `take` has enough.
fn stream(
    file: &OwnedFd,
    size: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    // One byte more than the file holds, so that a short one needs two calls and not a large buffer.
    let length = usize::try_from((size + 1).clamp(512, CHUNK)).expect("at most CHUNK");
    let mut buffer = vec![0; length];
    loop {
        match rustix::io::read(file, &mut buffer[..]) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&buffer[..n])?,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::super::paths::Tree;
    use super::*;

    fn at(dir: &Path, name: &str) -> (Spot, AbsPath) {
        let path = AbsPath::parse(&format!("/{name}")).unwrap();
        (Tree::open(dir).unwrap().spot(&path).unwrap().unwrap(), path)
    }

    #[test]
    fn a_hash_is_of_the_content_and_follows_it() {
        let dir = tempfile::tempdir().unwrap();
        let (spot, path) = at(dir.path(), "f");
        let cache = HashCache::default();
        assert_eq!(hash(&spot, &path, &cache).unwrap(), None);
        for content in [vec![], vec![7; 511], vec![8; 512], vec![9; 1_000_003]] {
            fs::write(dir.path().join("f"), &content).unwrap();
            assert_eq!(
                hash(&spot, &path, &cache).unwrap(),
                Some(blake3::hash(&content))
            );
        }
    }

    #[test]
    fn a_rewrite_of_equal_length_within_one_tick_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (spot, path) = at(dir.path(), "f");
        let cache = HashCache::default();
        for round in 0..200_u8 {
            fs::write(dir.path().join("f"), [round; 64]).unwrap();
            assert_eq!(
                hash(&spot, &path, &cache).unwrap(),
                Some(blake3::hash(&[round; 64]))
            );
        }
    }

    #[test]
    fn a_settled_file_is_hashed_once() {
        let dir = tempfile::tempdir().unwrap();
        let (spot, path) = at(dir.path(), "f");
        fs::write(dir.path().join("f"), "x").unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let cache = HashCache::default();
        hash(&spot, &path, &cache).unwrap();
        let stamp = Stamp::of(&spot.stat().unwrap().unwrap());
        assert_eq!(cache.get(&stamp), Some(blake3::hash(b"x")));
    }

    /// A3: whatever lies at a path, the answer comes at once.
    #[test]
    fn special_files_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        let begun = Instant::now();
        for name in ["pipe", "socket", "link", "dir"] {
            let (spot, path) = at(dir.path(), name);
            assert!(
                matches!(
                    hash(&spot, &path, &HashCache::default()),
                    Err(HostError::Unsafe { .. })
                ),
                "{name}"
            );
            assert!(
                matches!(read(&spot, &path), Err(HostError::Unsafe { .. })),
                "{name}"
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn more_than_a_mebibyte_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (spot, path) = at(dir.path(), "f");
        fs::write(dir.path().join("f"), vec![1; 1 << 20]).unwrap();
        assert_eq!(read(&spot, &path).unwrap().map(|b| b.len()), Some(1 << 20));
        fs::write(dir.path().join("f"), vec![1; (1 << 20) + 1]).unwrap();
        assert!(read(&spot, &path).unwrap_err().to_string().contains("/f"));
    }
}
