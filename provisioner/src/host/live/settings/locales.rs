//! The locales that the C library has: its directory, and its archive's list of names.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use super::super::command::Spawn;
use super::super::paths::Tree;
use super::super::spot::failed;
use crate::host::HostError;
use crate::name::{AbsPath, LocaleName};

/// The first word of glibc's `locale-archive`.
const MAGIC: u32 = 0xde02_0109;
/// As long as the names in an archive may be, all together.
const MOST_NAMES: u32 = 4 << 20;

/// Whether a locale has been made.
pub(super) fn is_generated(tree: &Tree, name: &LocaleName) -> Result<bool, HostError> {
    for form in [name.to_string(), normal(name.as_str())] {
        let path = AbsPath::parse(&format!("/usr/lib/locale/{form}/LC_CTYPE"))
            .expect("a locale's name is plain");
        if let Some(spot) = tree.spot(&path)? {
            let stat = spot
                .stat()
                .map_err(|e| failed("cannot look at", &path, e))?;
            if stat.is_some() {
                return Ok(true);
            }
        }
    }
    let archive = AbsPath::parse("/usr/lib/locale/locale-archive").expect("a plain path");
    let Some(spot) = tree.spot(&archive)? else {
        return Ok(false);
    };
    match spot.open() {
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed("cannot read", &archive, errno)),
        Ok(fd) => {
            let names = names(File::from(fd))
                .map_err(|error| HostError::io("cannot read", &archive, &error))?;
            let wanted = normal(name.as_str());
            Ok(names.split(|b| *b == 0).any(|n| n == wanted.as_bytes()))
        }
    }
}

/// The part of an archive that holds the names, each with a NUL behind it.
fn names(mut archive: File) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 32];
    if archive.read_exact(&mut head).is_err() {
        return Ok(Vec::new());
    }
    let mut words = head
        .chunks_exact(4)
        .map(|word| u32::from_ne_bytes(word.try_into().expect("four bytes")));
    // magic, serial; offset, used and size of the hash table; then of the names
    if words.next() != Some(MAGIC) {
        return Ok(Vec::new());
    }
    let (Some(offset), Some(used)) = (words.nth(4), words.next()) else {
        return Ok(Vec::new());
    };
    let mut names = vec![0; usize::try_from(used.min(MOST_NAMES)).unwrap_or_default()];
    archive.read_exact_at(&mut names, u64::from(offset))?;
    Ok(names)
}

/// A name as the C library files it: the character set in small letters and digits alone.
fn normal(name: &str) -> String {
    let Some((place, rest)) = name.split_once('.') else {
        return name.to_owned();
    };
    let (codeset, modifier) = rest
        .split_once('@')
        .map_or((rest, None), |(codeset, modifier)| {
            (codeset, Some(modifier))
        });
    let mut codeset = codeset.to_ascii_lowercase();
    codeset.retain(|c| c.is_ascii_alphanumeric());
    let modifier = modifier.map_or_else(String::new, |m| format!("@{m}"));
    format!("{place}.{codeset}{modifier}")
}

/// Makes what `/etc/locale.gen` lists and is not there yet.
pub(super) fn generate() -> Result<(), HostError> {
    Spawn::tool("locale-gen", std::iter::empty::<String>())
        .succeed(&mut |_, _| {})
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_the_c_library_files_them() {
        assert_eq!(normal("en_US.UTF-8"), "en_US.utf8");
        assert_eq!(normal("sr_RS.UTF-8@latin"), "sr_RS.utf8@latin");
        assert_eq!(normal("de_DE@euro"), "de_DE@euro");
    }

    #[test]
    fn an_archive_is_read_by_its_head_and_a_broken_one_has_no_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usr/lib/locale");
        std::fs::create_dir_all(&path).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let has = |name: &str| is_generated(&tree, &LocaleName::parse(name).unwrap()).unwrap();
        assert!(!has("en_US.UTF-8"));
        let names = b"en_US.utf8\0de_DE@euro\0";
        let used = u32::try_from(names.len()).unwrap();
        let head: Vec<u8> = [MAGIC, 1, 56, 2, 900, 64, used, 200]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let mut archive = head.clone();
        archive.resize(64, 0);
        archive.extend(names);
        std::fs::write(path.join("locale-archive"), &archive).unwrap();
        assert!(has("en_US.UTF-8") && has("de_DE@euro") && !has("en_US") && !has("fr_FR.UTF-8"));
        for broken in [&archive[..40], &head[..8], b""] {
            std::fs::write(path.join("locale-archive"), broken).unwrap();
            let name = LocaleName::parse("en_US.UTF-8").unwrap();
            assert_ne!(is_generated(&tree, &name).ok(), Some(true));
        }
        std::fs::create_dir_all(path.join("fr_FR.utf8")).unwrap();
        std::fs::write(path.join("fr_FR.utf8/LC_CTYPE"), "").unwrap();
        assert!(has("fr_FR.UTF-8"));
    }
}
