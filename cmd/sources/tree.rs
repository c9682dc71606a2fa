//! Sources that are trees: a directory of this machine, what a bucket has below a prefix, a directory of a
//! repository.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpt_provisioner::listing::{Below, Listed, Listing};
use hpt_provisioner::source::Blob;

use super::{Content, LONGEST_LENT, keep};
use crate::error::{CommandError, Exit};
use crate::terminal::visible;

/// Up to here a file that was fetched is held in memory; an open file is dearer.
const SHORT: u64 = 256 << 10;

/// A tree as it is read: its list, and where the bytes of its files are.
#[derive(Clone, Default)]
pub(super) struct Tree {
    pub(super) listing: Listing,
    pub(super) contents: Vec<(Blob, Content)>,
}

impl Tree {
    /// Adds a file.
    pub(super) fn add(&mut self, path: Below, executable: bool, content: Blob, bytes: Content) {
        self.contents.push((content.clone(), bytes));
        let file = Listed::File {
            content,
            executable,
        };
        self.listing.add(path, file);
    }

    /// Adds a file that comes from elsewhere.
    pub(super) fn fetch(
        &mut self,
        path: &str,
        executable: bool,
        from: &mut dyn Read,
        of: &str,
    ) -> Result<(), CommandError> {
        let below = below(path, of)?;
        let (hash, size, bytes) = keep(from, &format!("{} of {of}", visible(path)), None)?;
        let bytes = match bytes {
            Content::Fetched(file) if size <= SHORT => {
                let mut all = Vec::new();
                let read = super::FromStart { file, at: 0 }.read_to_end(&mut all);
                read.map_err(|why| failed(of, &why))?;
                Content::Memory(all.into())
            }
            other => other,
        };
        self.add(below, executable, Blob { hash, size }, bytes);
        Ok(())
    }

    /// The list as a source of its own.
    pub(super) fn text(&self, of: &str) -> Result<Arc<[u8]>, CommandError> {
        let text = self.listing.to_text();
        if u64::try_from(text.len()).is_ok_and(|length| length <= LONGEST_LENT) {
            return Ok(text.into_bytes().into());
        }
        let what = format!("{of} has too many files: the list of them is longer than 1 MiB");
        Err(CommandError::new(Exit::Config, what).hint("an [[archive]] can have more"))
    }
}

/// A path that a list can have.
fn below(path: &str, of: &str) -> Result<Below, CommandError> {
    Below::parse(path).map_err(|why| {
        let what = format!("{of} has `{}`, which is not copied: {why}", visible(path));
        CommandError::new(Exit::Config, what)
    })
}

fn failed(of: &str, why: &dyn std::fmt::Display) -> CommandError {
    CommandError::new(Exit::Config, format!("cannot read the source {of}: {why}"))
}

/// Whether a directory can be a source.
pub(crate) fn check(path: &Path) -> Result<(), CommandError> {
    let of = path.display().to_string();
    let meta = fs::metadata(path).map_err(|why| failed(&of, &why))?;
    if meta.is_dir() {
        return Ok(());
    }
    let why = "it is not a directory; a [[file]] copies a file";
    Err(failed(&of, &why))
}

/// A file of a directory: its name below it, where it is, whether it can be executed.
pub(super) type Local = (Below, PathBuf, bool);

/// All that a directory of this machine holds: its directories, which are added to `tree`, and files.
pub(super) fn walk(root: &Path, tree: &mut Tree) -> Result<Vec<Local>, CommandError> {
    let of = root.display().to_string();
    check(root)?;
    let mut files = Vec::new();
    let mut ahead = vec![(root.to_owned(), String::new())];
    while let Some((dir, above)) = ahead.pop() {
        let mut entries: Vec<_> = fs::read_dir(&dir)
            .and_then(Iterator::collect)
            .map_err(|why| failed(&dir.display().to_string(), &why))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            let path = format!("{above}{shown}");
            if name.to_str().is_none() {
                let what = format!("{of} has `{}`, whose name is not UTF-8", visible(&path));
                return Err(CommandError::new(Exit::Config, what));
            }
            let below = below(&path, &of)?;
            let meta = entry.metadata().map_err(|why| failed(&of, &why))?;
            if meta.is_dir() {
                tree.listing.add(below, Listed::Dir);
                ahead.push((entry.path(), format!("{path}/")));
            } else if meta.is_file() {
                let executable = meta.permissions().mode() & 0o100 != 0;
                files.push((below, entry.path(), executable));
            } else {
                let what = format!(
                    "{of} has `{}`, which is neither a file nor a directory",
                    visible(&path)
                );
                let hint = "a [[sync]] copies no links; a [[file]] with `symlink_to` makes one";
                return Err(CommandError::new(Exit::Config, what).hint(hint));
            }
        }
    }
    Ok(files)
}
