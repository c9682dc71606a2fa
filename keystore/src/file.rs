//! The file on disk: read under a lock, or replaced whole; nobody else may ever have read it (K1).

mod guard;
mod lock;
mod stage;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::image::LARGEST;

pub use guard::Hazard;
pub(crate) use guard::Place;
pub(crate) use lock::{Hold, Locked};
pub(crate) use stage::Staged;

/// Why a file could not be read or written, with its path.
#[derive(Debug, Error)]
pub enum FileError {
    /// There is none.
    #[error("{path}: there is no keystore here")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{path}: a file is already here and is left as it is")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have read or changed it.
    #[error("{path}: refused, {hazard}")]
    Unsafe {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        hazard: Hazard,
    },
    /// Another process has it for longer than a keystore is ever needed.
    #[error("{path}: in use by {}", holder.map_or("another process".into(), |pid| format!("pid {pid}")))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process that holds the lock, where the kernel tells.
        holder: Option<u32>,
    },
    /// It is larger than any keystore can be.
    #[error("{path}: larger than 16 MiB, which is the most a keystore can be")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl FileError {
    /// For `map_err`: an I/O error that names its path and what was tried.
    fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            doing,
            source,
        }
    }
}

/// What to do with a file, a key or a pin that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Keep,
    /// Put the new one in its place: `--force`.
    Replace,
}

/// The whole content of a file, of a place that is safe. The lock is gone when this returns.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    Locked::open(path, Hold::Shared, Place::Home)?.read()
}

fn read_all(file: &mut File, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let length = file
        .metadata()
        .map_err(FileError::io(path, "look at it"))?
        .len();
    let room = match usize::try_from(length) {
        Ok(room) if length <= LARGEST => room,
        _ => {
            return Err(FileError::TooLarge {
                path: path.to_owned(),
            });
        }
    };
    // Made large enough at once: a vector that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(vec![0; room]);
    file.read_exact(&mut bytes)
        .map_err(FileError::io(path, "read it"))?;
    Ok(bytes)
}
