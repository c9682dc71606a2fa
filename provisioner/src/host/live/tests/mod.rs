//! The live host in scratch directories.

mod accounts;
mod commands;
mod own_files;
mod races;
mod reading;
mod settings;
mod units;
mod unpacking;
mod writing;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::effect::{Access, Command, Content, Effect, WriteFile};
use crate::host::{Done, Key, Mutate, Progress};
use crate::name::{GroupName, Mode, UserName};

/// Whether this test may do what only root can. Without root the test passes unseen, unless
/// `HPT_REQUIRE_ALL=1` says that all must run.
#[allow(
    clippy::disallowed_methods,
    reason = "a test is asked for by its environment"
)]
pub(in super::super) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root || std::env::var("HPT_REQUIRE_ALL").is_err(),
        "this test needs root"
    );
    root
}

pub(in super::super) fn open(root: &Path) -> Live {
    let options = Options {
        root: root.to_owned(),
        blobs: root.join("blobs"),
        memos: root.join("memos"),
        pre_images: root.join("pre-images"),
        fingerprint_key: [7; 32],
        reboots: false,
        kept: Arc::default(),
    };
    Live::open(options).unwrap()
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn write(at: &str, content: &str) -> Effect {
    Effect::WriteFile(WriteFile {
        path: path(at),
        content: Content::Inline(content.as_bytes().into()),
        access: Access::default(),
        verify: None,
        secret: false,
    })
}

fn perform(live: &mut Live, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
    live.perform(batch, &mut |_, _| {})
}

fn all_done(live: &mut Live, batch: &[Effect]) {
    let answers = perform(live, batch);
    assert_eq!(answers.len(), batch.len());
    for answer in answers {
        answer.unwrap();
    }
}

fn with_mode(effect: Effect, bits: u32) -> Effect {
    match effect {
        Effect::WriteFile(mut file) => {
            file.access.mode = Some(Mode::new(bits));
            Effect::WriteFile(file)
        }
        other => other,
    }
}
