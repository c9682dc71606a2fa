//! Sources that are files of this machine.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hpt_provisioner::source::Need;

use super::{Content, Found, LARGEST, hex, wrong_sha256};
use crate::error::{CommandError, Exit};

/// Up to here a file is kept once it was read.
const SHORT: u64 = 64 << 10;
/// How much of a long file is read and hashed at a time, by all cores.
const PIECE: usize = 4 << 20;

fn failed(path: &Path, why: &io::Error) -> CommandError {
    let what = format!("cannot read the source {}: {why}", path.display());
    let error = CommandError::new(Exit::Config, what);
    match why.kind() {
        io::ErrorKind::NotFound => {
            error.hint("a path starts at the directory of the config that names it, such as \"./\"")
        }
        io::ErrorKind::PermissionDenied => {
            error.hint(format!("`ls -l {}` shows who may", path.display()))
        }
        _ => error.hint("a `source` is a file; a directory is what [[sync]] copies"),
    }
}

/// Opens a file that can be a source.
pub(crate) fn open(path: &Path) -> Result<(File, u64), CommandError> {
    let failed = |why| failed(path, &why);
    // A FIFO would wait for a writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    if meta.len() > LARGEST {
        return Err(failed(io::Error::other("it is larger than 2 GiB")));
    }
    Ok((file, meta.len()))
}

/// Hashes the file at a path.
pub(super) fn find(need: &Need, path: &Path) -> Found {
    let failed = |why| failed(path, &why);
    let (mut file, length) = open(path)?;
    let sha256 = need.sha256.as_deref();
    if length <= SHORT {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        file.take(SHORT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        check(need, sha256.map(|_| sha_of(&bytes)))?;
        let size = u64::try_from(bytes.len()).expect("a length fits 64 bits");
        return Ok((blake3::hash(&bytes), size, Content::Memory(bytes.into())));
    }
    let mut hasher = blake3::Hasher::new();
    let mut sha = sha256.map(|_| <sha2::Sha256 as sha2::Digest>::new());
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let got = fill(&mut file, &mut piece).map_err(failed)?;
        if got == 0 {
            break;
        }
        size += u64::try_from(got).expect("a length fits 64 bits");
        hasher.update_rayon(&piece[..got]);
        if let Some(sha) = &mut sha {
            sha2::Digest::update(sha, &piece[..got]);
        }
    }
    check(need, sha.map(|sha| hex(&sha2::Digest::finalize(sha))))?;
    Ok((hasher.finalize(), size, Content::File(path.to_owned())))
}

fn sha_of(bytes: &[u8]) -> String {
    hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

fn check(need: &Need, found: Option<String>) -> Result<(), CommandError> {
    match (need.sha256.as_deref(), found) {
        (Some(wanted), Some(found)) if !found.eq_ignore_ascii_case(wanted) => {
            Err(wrong_sha256(&need.source.to_string(), wanted, &found))
        }
        _ => Ok(()),
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use hpt_provisioner::source::Source;

    use super::*;

    fn need() -> Need {
        Need {
            source: Source::File("x".into()),
            sha256: None,
            secret: false,
            read: false,
            tree: false,
        }
    }

    #[test]
    fn short_and_long_files_have_the_hash_of_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for length in [0, 1, 65_536, 65_537, PIECE - 1, PIECE, PIECE * 2 + 17] {
            let bytes: Vec<u8> = (0..length)
                .map(|i| u8::try_from(i % 251).unwrap())
                .collect();
            std::fs::write(&path, &bytes).unwrap();
            let (hash, size, _) = find(&need(), &path).ok().unwrap();
            assert_eq!(hash, blake3::hash(&bytes), "{length}");
            assert_eq!(size, u64::try_from(length).unwrap());
        }
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find(&need(), dir.path()).is_err());
        assert!(find(&need(), &dir.path().join("none")).is_err());
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        assert!(find(&need(), &fifo).is_err());
    }
}
