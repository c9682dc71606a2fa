//! Keeping the content of files that are about to be replaced, within a budget.

use std::fs::{self, File};
use std::io;

use super::blobs::{Blobs, is_orphan};
use super::{Live, files};
use crate::host::{EntryKind, HostError, Observe};
use crate::name::AbsPath;
use crate::undo::PreImages;

/// The longest file that is kept, in bytes.
const LONGEST: u64 = 64 << 20;
/// All that is kept together, in bytes; the oldest goes first.
const BUDGET: u64 = 512 << 20;

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
            settle(&self.pre_images).map_err(failed)?;
        }
        Ok(kept)
    }

    fn keep_file(&self, path: &AbsPath) -> Result<Option<PreImage>, HostError> {
        let Some(EntryKind::File { size }) = self.path(path)?.map(|entry| entry.kind) else {
            return Ok(None);
        };
        if size > LONGEST {
            let why = format!("its {size} bytes were more than is kept of one file");
            return Ok(Some(Err(why)));
        }
        let Some(spot) = self.tree.spot(path)? else {
            return Ok(None);
        };
        let Some((file, _)) = files::open(&spot, path)? else {
            return Ok(None);
        };
        let kept = self.pre_images.keep(&mut File::from(file));
        let kept = kept.map_err(|e| HostError::io("cannot keep the content of", path, &e))?;
        Ok(Some(Ok(kept)))
    }
}

/// What was kept of one file, or why nothing was.
type PreImage = Result<(crate::host::Hash, u64), String>;

/// Makes what is kept durable, and drops the oldest of what is too much.
fn settle(pre_images: &Blobs) -> io::Result<()> {
    let dir = pre_images.dir();
    rustix::fs::syncfs(File::open(dir)?)?;
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
    for (_, size, path) in all {
        if total <= BUDGET {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}
