//! What can be wrong with a keystore that is to be read, in words for a person.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::FileError;
use crate::identity::Role;
use crate::store::SCHEMA;

/// Why a keystore could not be read.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file itself could not be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its content is not what was written.
    #[error("{path}: the keystore is damaged, {reason}; `hpt restore FILE` brings back a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Another version of hpt wrote it.
    #[error("{path}: the keystore has schema {found} and this hpt reads 1 to {SCHEMA}; use {}", match_version(*found))]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema that is needed.
        found: u32,
    },
    /// It belongs to the other side.
    #[error("{path}: this is a {found}'s keystore, and a {wanted}'s is needed here")]
    Role {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Role,
        /// Whose it should be.
        wanted: Role,
    },
}

fn match_version(found: u32) -> String {
    let age = if found > SCHEMA {
        "a newer"
    } else {
        "an older"
    };
    format!("{age} hpt, one that reads schema {found}")
}

/// What is wrong with a content, before it is known which file it came from.
#[derive(Debug)]
pub(crate) enum Unfit {
    Damaged(String),
    Schema(u32),
}

impl Unfit {
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }

    /// For `map_err`: names the file.
    pub(crate) fn at(path: &Path) -> impl Fn(Self) -> LoadError {
        let path = path.to_owned();
        move |unfit| match unfit {
            Self::Damaged(reason) => LoadError::Damaged {
                path: path.clone(),
                reason,
            },
            Self::Schema(found) => LoadError::Schema {
                path: path.clone(),
                found,
            },
        }
    }
}
