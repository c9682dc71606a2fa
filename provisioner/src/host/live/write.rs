//! Puts files, links and directories in place: written aside, made durable together, swapped in (A1).

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::access::{self, Numbers};
use super::accounts::Accounts;
use super::blobs::Blobs;
use super::directory;
use super::durable::Dirs;
use super::fresh::Fresh;
use super::paths::Tree;
use super::spot::{Spot, failed, file_type};
use super::temps::Temps;
use crate::effect::Effect;
use crate::host::{Done, HostError};
use crate::name::AbsPath;

/// Directories held open at once; a batch over more is committed in parts.
const MOST_DIRS: usize = 256;

/// A check of new content: the program with `%s` already replaced.
pub(super) type Check<'a> = dyn FnMut(&[String]) -> Result<(), HostError> + 'a;

/// Performs batches of file effects.
pub(super) struct Writer<'a> {
    pub(super) tree: &'a Tree,
    accounts: &'a Accounts,
    pub(super) fresh: Fresh<'a>,
    pub(super) temps: &'a Temps,
    pub(super) check: &'a mut Check<'a>,
    /// Directories of this batch, by path, already walked to and swept.
    dirs: HashMap<PathBuf, Spot>,
}

/// An effect that is prepared and cannot be seen yet.
pub(super) enum Staged<'e> {
    /// A temporary entry to be renamed to the name it stands beside.
    Swap {
        spot: Spot,
        temp: OsString,
        path: &'e AbsPath,
        is_file: bool,
    },
    /// A directory. It is there already: later effects of the batch go into it.
    Made { spot: Spot },
    /// A change of owner, group or mode, in its turn.
    Access {
        spot: Spot,
        path: &'e AbsPath,
        numbers: Numbers,
    },
}

impl Staged<'_> {
    fn spot(&self) -> &Spot {
        match self {
            Self::Swap { spot, .. } | Self::Made { spot } | Self::Access { spot, .. } => spot,
        }
    }
}

impl<'a> Writer<'a> {
    /// A writer for one batch.
    pub(super) fn new(
        tree: &'a Tree,
        accounts: &'a Accounts,
        blobs: &'a Blobs,
        temps: &'a Temps,
        check: &'a mut Check<'a>,
    ) -> Self {
        let fresh = Fresh {
            accounts,
            blobs,
            temps,
        };
        Self {
            tree,
            accounts,
            fresh,
            temps,
            check,
            dirs: HashMap::new(),
        }
    }

    /// Performs effects in order. What is answered with `Ok` is durable; the first failure is the
    /// last answer. (A directory that a later effect of the batch makes may then exist all the same.)
    pub(super) fn perform(&mut self, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
        if let [Effect::WriteFile(file)] = batch
            && let Some(check) = &file.verify
        {
            return vec![self.write_checked(file, check)];
        }
        let mut answers = Vec::new();
        let mut staged = Vec::new();
        let mut hidden = HashSet::new();
        for effect in batch {
            // An effect on or below what still waits to be swapped in must find it there.
            let waits = path_of(effect)
                .is_some_and(|p| p.as_path().ancestors().any(|a| hidden.contains(a)));
            if waits || self.dirs.len() >= MOST_DIRS {
                hidden.clear();
                self.dirs.clear();
                answers.extend(Self::commit(&std::mem::take(&mut staged)));
                if answers.last().is_some_and(Result::is_err) {
                    return answers;
                }
            }
            match self.stage(effect) {
                Ok(ready) => {
                    if let Staged::Swap { path, .. } = &ready {
                        hidden.insert(path.as_path());
                    }
                    staged.push(ready);
                }
                Err(error) => {
                    answers.extend(Self::commit(&staged));
                    if answers.last().is_none_or(Result::is_ok) {
                        answers.push(Err(error));
                    }
                    return answers;
                }
            }
        }
        answers.extend(Self::commit(&staged));
        answers
    }

    fn stage<'e>(&mut self, effect: &'e Effect) -> Result<Staged<'e>, HostError> {
        match effect {
            Effect::WriteFile(file) => {
                let spot = self.spot(&file.path)?;
                let (temp, _) = self.fresh.write(&spot, file)?;
                Ok(Staged::Swap {
                    spot,
                    temp,
                    path: &file.path,
                    is_file: true,
                })
            }
            Effect::Link { path, to } => {
                let spot = self.spot(path)?;
                let cannot = |e| failed("cannot link", path, e);
                match spot.stat().map_err(cannot)?.as_ref().map(file_type) {
                    None | Some(FileType::Symlink | FileType::RegularFile) => {}
                    Some(other) => return Err(occupied(path, other)),
                }
                let temp = self.temps.name();
                rustix::fs::symlinkat(to.as_str(), &spot.dir, &temp).map_err(cannot)?;
                Ok(Staged::Swap {
                    spot,
                    temp,
                    path,
                    is_file: false,
                })
            }
            Effect::MakeDir { path, access } => {
                let spot = self.spot(path)?;
                directory::make(
                    self.tree,
                    self.temps,
                    &spot,
                    path,
                    Numbers::resolve(access, self.accounts)?,
                )?;
                Ok(Staged::Made { spot })
            }
            Effect::SetAccess { path, access } => {
                let numbers = Numbers::resolve(access, self.accounts)?;
                Ok(Staged::Access {
                    spot: self.spot(path)?,
                    path,
                    numbers,
                })
            }
            _ => Err(HostError::Refused(
                "hpt has a bug: no file effect in a batch of files".into(),
            )),
        }
    }

    /// Shows what is staged, in order, between two durable steps: contents first, then names.
    pub(super) fn commit(staged: &[Staged<'_>]) -> Vec<Result<Done, HostError>> {
        let mut answers = Vec::new();
        let mut failure = sync_contents(staged).err();
        let mut written = Dirs::default();
        let mut touched_inodes = false;
        for ready in staged {
            let shown = match (&failure, ready) {
                (Some(_), Staged::Swap { spot, temp, .. }) => {
                    let _ = rustix::fs::unlinkat(&spot.dir, temp, AtFlags::empty());
                    continue;
                }
                (Some(_), _) => continue,
                (
                    None,
                    Staged::Swap {
                        spot, temp, path, ..
                    },
                ) => {
                    let swapped = rustix::fs::renameat(&spot.dir, temp, &spot.dir, &spot.name);
                    if swapped.is_err() {
                        let _ = rustix::fs::unlinkat(&spot.dir, temp, AtFlags::empty());
                    }
                    swapped.map_err(|e| failed("cannot replace", path, e))
                }
                (None, Staged::Made { .. }) => Ok(()),
                (
                    None,
                    Staged::Access {
                        spot,
                        path,
                        numbers,
                    },
                ) => {
                    touched_inodes = true;
                    access::set(spot, path, *numbers)
                }
            };
            match shown.and_then(|()| written.add(&ready.spot().dir).map_err(sync_failed)) {
                Ok(()) => answers.push(Ok(Done::default())),
                Err(error) => failure = Some(error),
            }
        }
        let made = staged
            .iter()
            .any(|ready| matches!(ready, Staged::Made { .. }));
        // An inode without a new name of its own is not among what a directory's sync covers.
        let names = if touched_inodes || made {
            written.sync_file_systems()
        } else {
            written.sync_listings()
        };
        if let Err(error) = names {
            return vec![Err(sync_failed(error))];
        }
        answers.extend(failure.map(Err));
        answers
    }

    /// The spot of a path, its directory walked to and swept once a batch.
    pub(super) fn spot(&mut self, path: &AbsPath) -> Result<Spot, HostError> {
        let (parent, name) = (path.as_path().parent(), path.as_path().file_name());
        let (Some(parent), Some(name)) = (parent, name) else {
            return Err(HostError::Unsafe {
                path: "/".into(),
                why: "it is the root directory".into(),
            });
        };
        if let Some(known) = self.dirs.get(parent) {
            return Ok(Spot {
                name: name.to_owned(),
                ..known.clone()
            });
        }
        let none =
            || HostError::Refused(format!("cannot write {path}: its directory does not exist"));
        let spot = self.tree.spot(path)?.ok_or_else(none)?;
        self.temps.sweep(&spot.dir);
        self.dirs.insert(parent.to_owned(), spot.clone());
        Ok(spot)
    }
}

/// One file is synced by itself; more are synced with their file systems.
fn sync_contents(staged: &[Staged<'_>]) -> Result<(), HostError> {
    let mut written = Dirs::default();
    let swaps: Vec<_> = staged
        .iter()
        .filter(|s| matches!(s, Staged::Swap { is_file: true, .. }))
        .collect();
    if let [
        Staged::Swap {
            spot, temp, path, ..
        },
    ] = swaps[..]
    {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let synced =
            rustix::fs::openat(&spot.dir, temp, flags, Mode::empty()).and_then(rustix::fs::fsync);
        return synced.map_err(|e| failed("cannot make durable", path, e));
    }
    for ready in swaps {
        written.add(&ready.spot().dir).map_err(sync_failed)?;
    }
    written.sync_file_systems().map_err(sync_failed)
}

fn path_of(effect: &Effect) -> Option<&AbsPath> {
    match effect {
        Effect::WriteFile(file) => Some(&file.path),
        Effect::MakeDir { path, .. }
        | Effect::Link { path, .. }
        | Effect::SetAccess { path, .. } => Some(path),
        _ => None,
    }
}

pub(super) fn occupied(path: &AbsPath, by: FileType) -> HostError {
    let what = match by {
        FileType::Symlink => {
            "a symbolic link lies there; name what it points to, or remove it first"
        }
        FileType::Directory => "a directory lies there",
        FileType::RegularFile => "a file lies there",
        _ => "a FIFO, socket or device lies there",
    };
    HostError::Unsafe {
        path: path.to_string(),
        why: what.into(),
    }
}

fn sync_failed(errno: Errno) -> HostError {
    failed("cannot make durable what was written to", "the disk", errno)
}
