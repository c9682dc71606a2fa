//! What a view shows at a path, and who owns it.

use std::sync::Arc;

use super::{MOST_LINKS, View};
use crate::effect::Content;
use crate::host::overlay::Fate;
use crate::host::{Checkout, Entry, EntryKind, Hash, HostError, Key, Owner};
use crate::listing::Listing;
use crate::name::{AbsPath, GroupName, UserName};
use crate::source::Source;

impl View<'_> {
    /// The entry at a path, a final symlink not followed. A pending installation leaves an absent
    /// path absent: finding it already right when it is applied is doing less. What may make
    /// something below an absent path may make that path too.
    ///
    /// # Errors
    /// Those of the host.
    pub fn path(&self, path: &AbsPath) -> Result<Fate<Option<Entry>>, HostError> {
        let fate = if let Some(fate) = self.overlay.path(path) {
            fate
        } else {
            let seen = self.base.path(path)?;
            self.record(Key::Path(path.clone()), &seen);
            Fate::Is(seen)
        };
        Ok(match (fate, self.overlay.shadow_within(path)) {
            (Fate::Is(None), Some(cause)) => Fate::Unknown(cause),
            (fate, _) => fate,
        })
    }

    /// Whether the directory in which `path` lies is there. A symlink to what is there counts: the
    /// host follows the safe ones and refuses the others.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_parent(&self, path: &AbsPath) -> Result<Fate<bool>, HostError> {
        let Some(parent) = path.parent() else {
            return Ok(Fate::Is(true));
        };
        self.is_dir(&parent, MOST_LINKS)
    }

    /// Whether there is a directory at a path, or at the end of the links there.
    fn is_dir(&self, path: &AbsPath, links: usize) -> Result<Fate<bool>, HostError> {
        Ok(match self.path(path)? {
            Fate::Is(Some(Entry {
                kind: EntryKind::Symlink(to),
                ..
            })) => match path.beside(&to) {
                Some(to) if links > 0 => self.is_dir(&to, links - 1)?,
                _ => Fate::Is(true), // no plain path: the host itself will say
            },
            Fate::Is(Some(entry)) => Fate::Is(matches!(entry.kind, EntryKind::Dir)),
            Fate::Is(None) => self
                .pending_install()
                .map_or(Fate::Is(false), Fate::Unknown),
            Fate::Unknown(cause) => Fate::Unknown(cause),
        })
    }

    /// Whether the directory at a path holds anything; not so if there is no directory.
    ///
    /// # Errors
    /// Those of the host.
    pub fn holds(&self, dir: &AbsPath) -> Result<Fate<bool>, HostError> {
        if let Some(fate) = self.overlay.holds(dir) {
            return Ok(fate);
        }
        let seen = self.base.holds_besides(dir, &self.overlay.gone_from(dir))?;
        self.record(Key::Entries(dir.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// The names in the directory at a path; none if there is no directory.
    ///
    /// # Errors
    /// Those of the host.
    pub fn entries(&self, dir: &AbsPath) -> Result<Fate<Vec<String>>, HostError> {
        let seen = self.base.entries(dir)?;
        self.record(Key::Names(dir.clone()), &seen);
        Ok(self.overlay.entries(dir, seen))
    }

    /// The files of a tree that a block copies.
    ///
    /// # Errors
    /// A list that has not been sent, or is none.
    pub fn listing(&self, source: &Source) -> Result<Listing, HostError> {
        let missing = || HostError::MissingBlob(source.to_string());
        let blob = self.source(source).ok_or_else(missing)?;
        let bytes = self.blob(&blob.hash)?.ok_or_else(missing)?;
        let refuse = |why: &dyn std::fmt::Display| HostError::Refused(format!("{source}: {why}"));
        let text = std::str::from_utf8(&bytes).map_err(|why| refuse(&why))?;
        Listing::parse(text).map_err(|why| refuse(&why))
    }

    /// The hash of the file at a path; `Is(None)` if there is no file.
    ///
    /// # Errors
    /// Those of the host.
    pub fn hash(&self, path: &AbsPath) -> Result<Fate<Option<Hash>>, HostError> {
        match (self.overlay.path(path), self.overlay.content(path)) {
            (_, Some(content)) => Ok(Fate::Is(Some(content.hash()))),
            (Some(Fate::Is(None)), None) => Ok(Fate::Is(None)),
            (Some(Fate::Unknown(cause)), None) => Ok(Fate::Unknown(cause)),
            (Some(Fate::Is(Some(_))) | None, None) => {
                let seen = self.base.hash(path)?;
                self.record(Key::Content(path.clone()), &seen);
                Ok(Fate::Is(seen))
            }
        }
    }

    /// The bytes of the file at a path, up to 1 MiB; `Is(None)` if there is no file.
    ///
    /// # Errors
    /// Those of the host, and a file that is too long.
    pub fn read(&self, path: &AbsPath) -> Result<Fate<Option<Arc<[u8]>>>, HostError> {
        match (self.overlay.path(path), self.overlay.content(path)) {
            (_, Some(Content::Inline(bytes))) => Ok(Fate::Is(Some(bytes.clone()))),
            (_, Some(Content::Blob { hash, .. })) => Ok(Fate::Is(self.base.blob(hash)?)),
            (Some(Fate::Is(None)), None) => Ok(Fate::Is(None)),
            (Some(Fate::Unknown(cause)), None) => Ok(Fate::Unknown(cause)),
            (Some(Fate::Is(Some(_))) | None, None) => {
                let seen = self.base.read(path)?;
                self.record(
                    Key::Content(path.clone()),
                    &seen.as_deref().map(blake3::hash),
                );
                Ok(Fate::Is(seen))
            }
        }
    }

    /// The git working tree at a path.
    ///
    /// # Errors
    /// Those of the host.
    pub fn checkout(&self, path: &AbsPath) -> Result<Fate<Option<Checkout>>, HostError> {
        if let Some(fate) = self.overlay.checkout(path) {
            return Ok(fate);
        }
        let seen = self.base.checkout(path)?;
        self.record(Key::Checkout(path.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// Whether an entry belongs to the user `name`: by number, or by name where the account is
    /// still to be made.
    ///
    /// # Errors
    /// Those of the host.
    pub fn owned_by(&self, entry: &Entry, name: &UserName) -> Result<bool, HostError> {
        Ok(match &entry.owner {
            Owner::Named(owner) => owner == name,
            Owner::Id(id) => matches!(self.user(name)?, Fate::Is(Some(u)) if u.uid == Some(*id)),
        })
    }

    /// Whether an entry belongs to the group `name`, likewise.
    ///
    /// # Errors
    /// Those of the host.
    pub fn grouped_by(&self, entry: &Entry, name: &GroupName) -> Result<bool, HostError> {
        Ok(match &entry.group {
            Owner::Named(group) => group == name,
            Owner::Id(id) => matches!(self.group(name)?, Fate::Is(Some(g)) if g.gid == Some(*id)),
        })
    }
}
