//! A file that goes in only if a program accepts it: asked before the swap where the program can be
//! shown the new file, else after it, with the old one kept to be put back.

use rustix::fs::AtFlags;

use super::durable::sync_dir;
use super::spot::failed;
use super::write::{Staged, Writer};
use crate::effect::WriteFile;
use crate::host::{Done, HostError};
use crate::name::AbsPath;

impl Writer<'_> {
    /// Writes one file that a program must accept: before the swap if it can be shown the new file,
    /// else after it, and then the old one is put back if the program refuses.
    pub(super) fn write_checked(
        &mut self,
        file: &WriteFile,
        check: &[String],
    ) -> Result<Done, HostError> {
        let spot = self.spot(&file.path)?;
        let (temp, old) = self.fresh.write(&spot, file)?;
        let swap = |temp| Staged::Swap {
            spot: spot.clone(),
            temp,
            path: &file.path,
            is_file: true,
        };
        if check.iter().any(|word| word.contains("%s")) {
            let beside = self
                .tree
                .outside(&file.path)
                .with_file_name(&temp)
                .display()
                .to_string();
            let argv: Vec<String> = check
                .iter()
                .map(|word| word.replace("%s", &beside))
                .collect();
            if let Err(error) = (self.check)(&argv) {
                let _ = rustix::fs::unlinkat(&spot.dir, &temp, AtFlags::empty());
                return Err(refused(&file.path, &error));
            }
            return Self::commit(&[swap(temp)]).remove(0);
        }
        let cannot = |e| failed("cannot replace", &file.path, e);
        let before = self.temps.name();
        if old.is_some() {
            rustix::fs::linkat(&spot.dir, &spot.name, &spot.dir, &before, AtFlags::empty())
                .map_err(cannot)?;
        }
        let swapped = Self::commit(&[swap(temp)]).remove(0);
        let accepted = swapped.and_then(|done| {
            (self.check)(check)
                .map(|()| done)
                .map_err(|error| refused(&file.path, &error))
        });
        if old.is_some() {
            // Renaming one name of a file onto another of the same file would do nothing.
            match accepted {
                Ok(_) => rustix::fs::unlinkat(&spot.dir, &before, AtFlags::empty()),
                Err(_) => rustix::fs::renameat(&spot.dir, &before, &spot.dir, &spot.name),
            }
            .map_err(cannot)?;
        } else if accepted.is_err() {
            rustix::fs::unlinkat(&spot.dir, &spot.name, AtFlags::empty()).map_err(cannot)?;
        }
        sync_dir(&spot.dir).map_err(cannot)?;
        accepted
    }
}

fn refused(path: &AbsPath, error: &HostError) -> HostError {
    HostError::Refused(format!(
        "the new content of {path} was not accepted: {error}"
    ))
}
