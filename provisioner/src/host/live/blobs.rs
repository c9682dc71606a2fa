//! The contents that were sent for a run: a store of one file a blob, named by its hash, and what
//! is lent in memory for this run alone, such as secrets.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, MemfdFlags, RenameFlags};

use super::temps::random;
use crate::host::{Hash, HostError};

/// How the name of what is not a blob yet begins.
const UNFINISHED: &str = ".new-";

/// Whether this is what a run that died was about to keep.
pub(super) fn is_orphan(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let unfinished = name.as_bytes().starts_with(UNFINISHED.as_bytes());
    unfinished && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// A directory of blobs. It is hpt's own and nobody else's, so that its files are opened plainly.
pub(super) struct Blobs {
    dir: PathBuf,
    /// Where blobs are that are read and no more.
    archive: Option<PathBuf>,
    lent: HashMap<Hash, Arc<[u8]>>,
}

impl Blobs {
    /// The blobs in a directory, which need not exist while there are none.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            archive: None,
            lent: HashMap::new(),
        }
    }

    /// With those of another directory, which are read and no more.
    #[must_use]
    pub(super) fn and(self, archive: PathBuf) -> Self {
        Self {
            archive: Some(archive),
            ..self
        }
    }

    /// Adds contents that are never stored.
    pub(super) fn lend(&mut self, contents: HashMap<Hash, Arc<[u8]>>) {
        self.lent.extend(contents);
    }

    /// Where they are.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        let name = hash.to_hex();
        let here = self.dir.join(name.as_str());
        match &self.archive {
            Some(archive) if !here.exists() => archive.join(name.as_str()),
            _ => here,
        }
    }

    /// Whether a blob is here.
    pub(super) fn has(&self, hash: &Hash) -> bool {
        self.lent.contains_key(hash) || self.path(hash).is_file()
    }

    /// Opens a blob; `None` if it is not here.
    pub(super) fn open(&self, hash: &Hash) -> Result<Option<File>, HostError> {
        if let Some(bytes) = self.lent.get(hash) {
            let file = in_memory(bytes);
            return file
                .map(Some)
                .map_err(|e| HostError::io("cannot hold", "a content in memory", &e));
        }
        match File::open(self.path(hash)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::io(
                "cannot open the blob",
                self.path(hash).display(),
                &e,
            )),
        }
    }

    /// Moves a blob out of the store to `name` in `dir`, and opens it. `None`, and nothing moved, if
    /// the two are on different file systems, it is not whole, or it carries a label that belongs
    /// to the store, as hosts with `SELinux` give.
    pub(super) fn hand_over(
        &self,
        hash: &Hash,
        size: u64,
        dir: &OwnedFd,
        name: &OsStr,
    ) -> Option<OwnedFd> {
        let path = self.dir.join(hash.to_hex().as_str());
        let blob = File::open(&path).ok()?;
        let stat = blob.metadata().ok()?;
        let mut label = [0_u8; 256];
        let labelled = rustix::fs::fgetxattr(&blob, "security.selinux", &mut label[..]).is_ok();
        if stat.len() != size || stat.nlink() != 1 || labelled {
            return None;
        }
        rustix::fs::renameat_with(CWD, &path, dir, name, RenameFlags::NOREPLACE).ok()?;
        Some(blob.into())
    }

    /// A new file beside the blobs, which is gone when it is closed.
    pub(super) fn unnamed(&self) -> io::Result<File> {
        let path = self.beside()?;
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }

    /// Keeps bytes as a blob, and says its hash and length.
    pub(super) fn keep(&self, from: &mut dyn Read) -> io::Result<(Hash, u64)> {
        let path = self.beside()?;
        let mut kept = || {
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.lock()?; // until it has its name, so that no other run takes it for an orphan
            let mut hasher = blake3::Hasher::new();
            let mut buffer = vec![0; 256 << 10];
            let mut size = 0;
            loop {
                let got = from.read(&mut buffer)?;
                if got == 0 {
                    break;
                }
                size += u64::try_from(got).expect("a length fits 64 bits");
                hasher.update(&buffer[..got]);
                file.write_all(&buffer[..got])?;
            }
            let hash = hasher.finalize();
            fs::rename(&path, self.dir.join(hash.to_hex().as_str()))?;
            Ok((hash, size))
        };
        kept().inspect_err(|_| drop(fs::remove_file(&path)))
    }

    /// A new name in the directory, which is there then.
    fn beside(&self) -> io::Result<PathBuf> {
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        Ok(self
            .dir
            .join(format!("{UNFINISHED}{}{}", random(), random())))
    }

    /// A blob's bytes, checked against its name; `None` if it is not here.
    pub(super) fn read(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        if let Some(bytes) = self.lent.get(hash) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let Some(mut file) = self.open(hash)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|e| HostError::io("cannot read the blob", self.path(hash).display(), &e))?;
        if blake3::hash(&bytes) != *hash {
            return Err(HostError::Refused(format!(
                "the blob {} is damaged",
                self.path(hash).display()
            )));
        }
        Ok(Some(bytes.into()))
    }
}

/// A file that has no name and is gone when it is closed.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("hpt", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_found_by_its_hash_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(dir.path().to_owned());
        let hash = blake3::hash(b"content");
        assert!(!blobs.has(&hash) && blobs.read(&hash).unwrap().is_none());
        std::fs::write(dir.path().join(hash.to_hex().as_str()), "content").unwrap();
        assert_eq!(blobs.read(&hash).unwrap().as_deref(), Some(&b"content"[..]));
        std::fs::write(dir.path().join(hash.to_hex().as_str()), "contenT").unwrap();
        assert!(blobs.has(&hash) && blobs.read(&hash).is_err());
    }

    #[test]
    fn what_is_lent_is_found_and_touches_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::new(dir.path().join("none"));
        let hash = blake3::hash(b"secret");
        blobs.lend(HashMap::from([(hash, Arc::from(&b"secret"[..]))]));
        assert!(blobs.has(&hash));
        assert_eq!(blobs.read(&hash).unwrap().as_deref(), Some(&b"secret"[..]));
        let mut text = String::new();
        let mut file = blobs.open(&hash).unwrap().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "secret");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
