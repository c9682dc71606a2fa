//! The end of each target's audit as this client last saw it, kept beside the keystore (L2).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hpt_agent::audit::Head;
use hpt_keystore::VerifyingKey;
use serde::{Deserialize, Serialize};

/// A head, and the target's signature of it: whoever has the target's key can check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) head: Head,
    pub(crate) signature: [u8; 64],
}

/// Where that of one target is: a file that is named by its key.
#[derive(Clone)]
pub(crate) struct Kept {
    path: PathBuf,
}

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Text {
    seq: u64,
    hash: String,
    signature: String,
}

impl Kept {
    pub(crate) fn of(keystore: &Path, key: &VerifyingKey) -> Self {
        let name = blake3::hash(key.as_bytes()).to_hex();
        let place = keystore.parent().unwrap_or(Path::new("")).join("heads");
        Self {
            path: place.join(&name[..32]),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The head that was kept, if one was.
    pub(crate) fn read(&self) -> io::Result<Option<Head>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let text: Text = serde_json::from_slice(&text)?;
        let hash = blake3::Hash::from_hex(&text.hash).map_err(io::Error::other)?;
        let seq = text.seq;
        Ok(Some(Head { seq, hash }))
    }

    /// Forgets it. Whether there was one.
    pub(crate) fn forget(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Keeps a head in the place of the one before, durably.
    pub(crate) fn keep(&self, signed: &Signed) -> io::Result<()> {
        let place = self.path.parent().expect("it is in a directory");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(place)?;
        let text = Text {
            seq: signed.head.seq,
            hash: signed.head.hash.to_hex().to_string(),
            signature: hex(&signed.signature),
        };
        let temp = self
            .path
            .with_extension(format!("{}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&temp).and_then(|mut file| {
            file.write_all(&serde_json::to_vec(&text)?)?;
            file.sync_all()?;
            fs::rename(&temp, &self.path)?;
            File::open(place)?.sync_all()
        });
        written.inspect_err(|_| {
            let _ = fs::remove_file(&temp);
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text += &format!("{byte:02x}");
        text
    })
}
