//! The entries of a zip archive.

use std::io::{Read, Seek};

use super::{Part, Unpacking, at_most};
use crate::host::HostError;

/// The longest text that can be a link.
const LONGEST_LINK: u64 = 4096;

pub(super) fn read(archive: impl Read + Seek, to: &mut Unpacking<'_>) -> Result<(), HostError> {
    let mut archive = zip::ZipArchive::new(archive).map_err(|why| to.broken(&why))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|why| to.broken(&why))?;
        let name = entry.name().map_err(|why| to.broken(&why))?;
        let name = name.into_owned().into_bytes();
        let given = entry.unix_mode();
        let kind = given.map_or(0, |mode| mode & 0o170_000);
        let part = match kind {
            _ if entry.is_dir() => Part::Dir,
            0o120_000 => {
                let bytes = at_most(&mut entry, LONGEST_LINK).map_err(|why| to.broken(&why))?;
                let text = String::from_utf8(bytes);
                Part::Link(text.map_err(|_| to.refuse(&name, "it links to no UTF-8 name"))?)
            }
            0 | 0o100_000 => Part::File(&mut entry),
            _ => return Err(to.refuse(&name, "it is a device or a FIFO")),
        };
        let born = if matches!(part, Part::Dir) {
            0o755
        } else {
            0o644
        };
        to.take(&name, given.unwrap_or(born), part)?;
    }
    Ok(())
}
