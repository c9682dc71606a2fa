//! The directory of what outlives a boot, and the host's own key for fingerprints of secrets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Places;

/// Why hpt has no place of its own on a host.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A system call failed.
    #[error("{what} {}: {why}", path.display())]
    Io {
        /// What was attempted: "cannot make".
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// Others could look into the directory or change it.
    #[error("{} must belong to this user and be closed to others: chmod 0700 it", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// The key's file is not one that hpt wrote.
    #[error("{} is not 32 bytes long; remove it, and fingerprints will be new ones", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
    },
}

impl StateError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::Io {
            what,
            path: path.to_owned(),
            why,
        }
    }
}

/// The directory of what outlives a boot, made and checked.
#[derive(Debug, Clone)]
pub struct State(PathBuf);

impl State {
    /// Makes the directory if it is missing.
    ///
    /// # Errors
    /// If it cannot be made, or others have a way into it.
    pub fn open(places: &Places) -> Result<Self, StateError> {
        private_dir(&places.state)?;
        Ok(Self(places.state.clone()))
    }

    /// Where blobs are.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// Where the contents of files are that runs have replaced.
    pub(crate) fn pre_images(&self) -> PathBuf {
        self.0.join("pre-images")
    }

    /// Where what is remembered between runs is.
    pub(crate) fn memos(&self) -> PathBuf {
        self.0.join("memos")
    }

    /// The key for fingerprints of secrets: made once, never leaves the host (S1).
    ///
    /// # Errors
    /// If it cannot be read or made.
    pub(crate) fn fingerprint_key(&self) -> Result<[u8; 32], StateError> {
        let path = self.0.join("fingerprint.key");
        match File::open(&path) {
            Ok(file) => read_key(file, &path),
            Err(e) if e.kind() == ErrorKind::NotFound => self.make_key(&path),
            Err(e) => Err(StateError::io("cannot read", &path)(e)),
        }
    }

    /// Two that make it at once agree: they take turns, and the second finds it made. One that dies
    /// leaves a file that the next one begins anew.
    fn make_key(&self, path: &Path) -> Result<[u8; 32], StateError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the kernel has randomness after boot");
        let temp = self.0.join("fingerprint.new");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false) // it may be another's by now, and the key
                .mode(0o600)
                .open(&temp)?;
            file.lock()?;
            if path.try_exists()? {
                return match fs::remove_file(&temp) {
                    Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                    _ => Ok(()),
                };
            }
            file.set_len(0)?;
            file.write_all(&key)?;
            file.sync_all()?;
            fs::rename(&temp, path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(StateError::io("cannot make", path))?;
        read_key(
            File::open(path).map_err(StateError::io("cannot read", path))?,
            path,
        )
    }
}

fn read_key(file: File, path: &Path) -> Result<[u8; 32], StateError> {
    let mut bytes = Vec::new();
    file.take(33)
        .read_to_end(&mut bytes)
        .map_err(StateError::io("cannot read", path))?;
    bytes.try_into().map_err(|_| StateError::BadKey {
        path: path.to_owned(),
    })
}

/// A directory of mode 0700 that is ours, made with its parents if it is missing.
pub(crate) fn private_dir(path: &Path) -> Result<(), StateError> {
    make_lasting(path).map_err(StateError::io("cannot make", path))?;
    let meta = fs::symlink_metadata(path).map_err(StateError::io("cannot look at", path))?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    let others = meta.mode() & 0o077;
    if meta.is_dir() && ours && others == 0 {
        return Ok(());
    }
    Err(StateError::Open {
        path: path.to_owned(),
    })
}

/// Puts a file of ours in the place of the one that is there, if one is. It is on disk, whole, when this
/// returns; where that fails the old one stays.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    private_dir(dir).map_err(io::Error::other)?;
    let temp = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let replaced = options.open(&temp).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temp, path)?;
        File::open(dir)?.sync_all()
    });
    replaced.inspect_err(|_| drop(fs::remove_file(&temp)))
}

/// Removes what a process that died has left of [`replace`] in a directory. Only for who holds the host.
pub(crate) fn sweep(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "new") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What is synced in a directory is lost with it if its own name was not.
fn make_lasting(path: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().mode(0o700).create(path);
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let mut result = make();
    if let (Err(why), Some(parent)) = (&result, parent)
        && why.kind() == ErrorKind::NotFound
    {
        make_lasting(parent)?;
        result = make();
    }
    match result {
        Ok(()) => File::open(parent.unwrap_or(Path::new(".")))?.sync_all(),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn places(dir: &Path) -> Places {
        Places {
            state: dir.join("state"),
            run: dir.join("run"),
            root: dir.join("root"),
        }
    }

    #[test]
    fn the_key_is_made_once_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let state = State::open(&places).unwrap();
        let key = state.fingerprint_key().unwrap();
        assert_eq!(
            State::open(&places).unwrap().fingerprint_key().unwrap(),
            key
        );
        let path = places.state.join("fingerprint.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(&places.state).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(
            fs::read_dir(&places.state).unwrap().count(),
            1,
            "no temporary file is left"
        );

        fs::write(&path, "short").unwrap();
        assert!(matches!(
            state.fingerprint_key(),
            Err(StateError::BadKey { .. })
        ));
    }

    #[test]
    fn many_that_make_the_key_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&places(dir.path())).unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| state.fingerprint_key().unwrap()))
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        State::open(&places).unwrap();
        fs::set_permissions(&places.state, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(State::open(&places), Err(StateError::Open { .. })));
        symlink("/root", dir.path().join("link")).unwrap();
        let link = Places {
            state: dir.path().join("link"),
            ..places
        };
        assert!(matches!(State::open(&link), Err(StateError::Open { .. })));
    }
}
