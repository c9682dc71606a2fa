//! The entries of a tar archive.

use std::io::Read;

use tar::EntryType;

use super::{Part, Unpacking};
use crate::host::HostError;

pub(super) fn read(archive: impl Read, to: &mut Unpacking<'_>) -> Result<(), HostError> {
    let mut archive = tar::Archive::new(archive);
    let mut any = false;
    for entry in archive.entries().map_err(|why| to.broken(&why))? {
        let mut entry = entry.map_err(|why| to.broken(&why))?;
        any = true;
        let name = entry.path_bytes().into_owned();
        let mode = entry.header().mode().map_err(|why| to.broken(&why))?;
        let linked = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let linked = || match String::from_utf8(linked.unwrap_or_default()) {
            Ok(text) => Ok(text),
            Err(_) => Err(to.refuse(&name, "it links to a name that is not UTF-8")),
        };
        let part = match entry.header().entry_type() {
            EntryType::Directory => Part::Dir,
            EntryType::Regular if name.ends_with(b"/") => Part::Dir, // as old tars have it
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                Part::File(&mut entry)
            }
            EntryType::Symlink => Part::Link(linked()?),
            EntryType::Link => Part::Again(linked()?),
            EntryType::XGlobalHeader => continue, // a remark on the archive
            _ => return Err(to.refuse(&name, "it is a device or a FIFO")),
        };
        to.take(&name, mode, part)?;
    }
    if any {
        Ok(())
    } else {
        Err(to.broken(&"it is no tar or zip archive, or an empty one"))
    }
}
