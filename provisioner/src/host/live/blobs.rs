//! The store of contents that were sent for a run: one file a blob, named by its hash.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use crate::host::{Hash, HostError};

/// A directory of blobs. It is hpt's own and nobody else's, so that its files are opened plainly.
pub(super) struct Blobs(PathBuf);

impl Blobs {
    /// The blobs in a directory, which need not exist while there are none.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.0.join(hash.to_hex().as_str())
    }

    /// Whether a blob is here.
    pub(super) fn has(&self, hash: &Hash) -> bool {
        self.path(hash).is_file()
    }

    /// Opens a blob; `None` if it is not here.
    pub(super) fn open(&self, hash: &Hash) -> Result<Option<File>, HostError> {
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

    /// A blob's bytes, checked against its name; `None` if it is not here.
    pub(super) fn read(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
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
}
