//! Keeping the content of files that are about to be replaced, within a budget.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::blobs::{Blobs, is_orphan};
use super::{Live, files, xattrs};
use crate::host::{EntryKind, Hash, HostError, Observe};
use crate::name::AbsPath;
use crate::undo::{PreImage, PreImages};

/// The longest file that is kept, in bytes.
pub const LONGEST: u64 = 64 << 20;
/// All that is kept together, in bytes; the oldest goes first, but for what this run has kept or puts back.
const BUDGET: u64 = 512 << 20;

/// What is kept that must not go while this process runs.
#[derive(Default)]
pub(super) struct Spared {
    hashes: HashSet<Hash>,
    /// The length of what was kept since this process began.
    added: u64,
    /// The length of all that is kept, as far as that is known.
    total: Option<u64>,
}

impl Live {
    /// Makes pre-images of the regular files among these paths.
    pub(super) fn keep_files(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        let mut kept = PreImages::new();
        for path in paths {
            if let Some(content) = self.keep_file(path)? {
                kept.insert((*path).clone(), content);
            }
        }
        if kept.values().any(Result::is_ok) {
            let dir = self.pre_images.dir();
            let failed = |why| HostError::io("cannot keep files in", dir.display(), &why);
            settle(&self.pre_images, &mut self.spared, BUDGET).map_err(failed)?;
        }
        Ok(kept)
    }

    /// Has what was kept with these hashes stay for as long as this lives.
    pub fn spare(&mut self, hashes: impl IntoIterator<Item = Hash>) {
        self.spared.hashes.extend(hashes);
    }

    fn keep_file(&mut self, path: &AbsPath) -> Result<Option<Kept>, HostError> {
        let Some(EntryKind::File { size }) = self.path(path)?.map(|entry| entry.kind) else {
            return Ok(None);
        };
        if size > LONGEST {
            let why = format!("its {size} bytes were more than is kept of one file");
            return Ok(Some(Err(why)));
        }
        if self.spared.added + size > BUDGET {
            let why =
                format!("what its run replaced was more than the {BUDGET} bytes that are kept");
            return Ok(Some(Err(why)));
        }
        let Some(spot) = self.tree.spot(path)? else {
            return Ok(None);
        };
        let Some((file, _)) = files::open(&spot, path)? else {
            return Ok(None);
        };
        let attributes = xattrs::names(&file);
        let attributes = attributes
            .map_err(|e| HostError::io("cannot list the attributes of", path, &e.into()))?;
        let kept = self.pre_images.keep(&mut File::from(file));
        let kept = kept.map_err(|e| HostError::io("cannot keep the content of", path, &e))?;
        let (hash, size) = kept;
        if self.spared.hashes.insert(hash) {
            self.spared.added += size;
            self.spared.total = self.spared.total.map(|total| total + size);
        }
        Ok(Some(Ok(PreImage {
            hash,
            size,
            attributes,
        })))
    }
}

/// What was kept of one file, or why nothing was.
type Kept = Result<PreImage, String>;

/// Makes what is kept durable, and drops the oldest of what is too much.
fn settle(pre_images: &Blobs, spared: &mut Spared, budget: u64) -> io::Result<()> {
    let dir = pre_images.dir();
    rustix::fs::syncfs(File::open(dir)?)?;
    if spared.total.is_some_and(|total| total <= budget) {
        return Ok(());
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if is_orphan(&entry.path()) {
            fs::remove_file(entry.path())?;
            continue;
        }
        let meta = entry.metadata()?;
        all.push((meta.modified()?, meta.len(), entry.path()));
    }
    let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
    all.sort();
    let is_spared = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        Hash::from_hex(name).is_ok_and(|hash| spared.hashes.contains(&hash))
    };
    for (_, size, path) in all {
        if total <= budget {
            break;
        }
        if !is_spared(&path) {
            fs::remove_file(path)?;
            total -= size;
        }
    }
    spared.total = Some(total);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run may still have to put back does not go, however much is kept after it.
    #[test]
    fn the_oldest_goes_first_but_for_what_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let pre_images = Blobs::new(dir.path().to_owned());
        let keep = |text: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, text).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            pre_images.keep(&mut file).unwrap().0
        };
        let all = [&b"first"[..], b"other", b"third"].map(keep);
        let mut spared = Spared::default();
        spared.hashes.insert(all[0]);
        settle(&pre_images, &mut spared, 10).unwrap();
        assert_eq!(all.map(|hash| pre_images.has(&hash)), [true, false, true]);
        assert_eq!(spared.total, Some(10));
    }
}
