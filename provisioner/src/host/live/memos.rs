//! What hpt remembers on a host from one run to the next: a file for each thing, in the state
//! directory. A name is a hash, since what is remembered may come from a secret.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::host::{HostError, Memo};

/// The directory of what is remembered; made when there is something.
pub(super) struct Memos(PathBuf);

impl Memos {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub(super) fn has(&self, memo: &Memo) -> Result<bool, HostError> {
        let path = self.path(memo);
        let Memo::Made { .. } = memo else {
            let there = path.try_exists();
            return there.map_err(|e| HostError::io("cannot look at", path.display(), &e));
        };
        match fs::read(&path) {
            Ok(kept) => Ok(kept == content(memo)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(HostError::io("cannot read", path.display(), &e)),
        }
    }

    /// Durable when this returns.
    pub(super) fn set(&self, memo: &Memo, kept: bool) -> Result<(), HostError> {
        let path = self.path(memo);
        let set = || -> io::Result<()> {
            if kept {
                match DirBuilder::new().mode(0o700).create(&self.0) {
                    Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
                    Err(_) => {}
                    Ok(()) => File::open(self.0.join(".."))?.sync_all()?,
                }
                let mut file = File::create(&path)?;
                file.write_all(&content(memo))?;
                file.sync_all()?;
            } else if let Err(e) = fs::remove_file(&path) {
                return if e.kind() == ErrorKind::NotFound {
                    Ok(())
                } else {
                    Err(e)
                };
            }
            File::open(&self.0)?.sync_all()
        };
        set().map_err(|e| HostError::io("cannot write", path.display(), &e))
    }

    fn path(&self, memo: &Memo) -> PathBuf {
        let (kind, text) = match memo {
            Memo::Secret(path) => ("secret", &path.to_string()),
            Memo::Due(handler) => ("due", handler),
            Memo::Once(key) => ("once", key),
            Memo::Undone(token) => ("undone", token),
            Memo::Made { place, .. } => ("made", place),
        };
        let hash = blake3::hash(text.as_bytes()).to_hex();
        self.0.join(format!("{kind}-{hash}"))
    }
}

/// What the file of something that is remembered holds: a hash, or nothing.
fn content(memo: &Memo) -> Vec<u8> {
    match memo {
        Memo::Made { what, .. } => blake3::hash(what.as_bytes()).to_hex().as_bytes().to_vec(),
        Memo::Secret(_) | Memo::Due(_) | Memo::Once(_) | Memo::Undone(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_there_until_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let memos = Memos::new(dir.path().join("memos"));
        let (due, once) = (Memo::Due("x".into()), Memo::Once("x".into()));
        memos.set(&due, false).unwrap();
        assert!(!memos.has(&due).unwrap());
        memos.set(&due, true).unwrap();
        memos.set(&due, true).unwrap();
        assert!(memos.has(&due).unwrap() && !memos.has(&once).unwrap());
        memos.set(&due, false).unwrap();
        assert!(!memos.has(&due).unwrap());
    }

    #[test]
    fn of_one_place_only_the_last_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let memos = Memos::new(dir.path().join("memos"));
        let made = |what: &str| Memo::Made {
            place: "/opt/app".into(),
            what: what.into(),
        };
        assert!(!memos.has(&made("1")).unwrap());
        memos.set(&made("1"), true).unwrap();
        memos.set(&made("2"), true).unwrap();
        assert!(memos.has(&made("2")).unwrap() && !memos.has(&made("1")).unwrap());
        memos.set(&made("2"), false).unwrap();
        assert!(!memos.has(&made("2")).unwrap());
    }
}
