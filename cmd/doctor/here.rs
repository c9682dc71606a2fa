//! This machine: a workstation or a host, as its keystore says.

use std::path::Path;

use hpt_keystore::client;
use hpt_keystore::{FileError, Hazard, LoadError, Role};

use super::finding::Findings;
use super::unit::Units;
use super::{host, workstation};
use crate::context::{Context, now};
use crate::error::CommandError;
use crate::print::word;

/// A key or a run that is so much ahead of this clock is odd, in seconds.
const AHEAD: u64 = 120;

pub(super) fn look(context: &mut Context, found: &mut Findings) {
    let path = match context.keystore() {
        Ok(path) => path,
        Err(error) => return found.failed("keystore", error),
    };
    match client::load(&path) {
        Ok(keys) => workstation::look(&path, Some(&keys), context, found),
        Err(LoadError::Role {
            found: Role::Target,
            ..
        }) => host::look(&path, context, found),
        Err(error) => {
            // What cannot be read does not say whose it is.
            unusable(&path, error, found);
            match Units::ask() {
                Some(units) if units.start_at_boot() => host::look_at_the_rest(context, found),
                _ => workstation::look(&path, None, context, found),
            }
        }
    }
}

/// Why a keystore is no good, and the command that mends it.
pub(super) fn unusable(path: &Path, error: LoadError, found: &mut Findings) {
    let file = word(&path.to_string_lossy());
    let mend = match &error {
        LoadError::File(FileError::Unsafe { hazard, .. }) => match hazard {
            Hazard::Mode(_) => Some(format!("`chmod 600 {file}`")),
            Hazard::OpenDirectory { dir, .. } => {
                Some(format!("`chmod go-w {}`", word(&dir.to_string_lossy())))
            }
            Hazard::Owner { .. } => Some(format!("`chown $(id -u) {file}`, if it is yours")),
            _ => None,
        },
        LoadError::File(FileError::Missing { .. }) => Some(
            "`hpt gen-client-keys` makes your own; on a host, `hpt install` from the workstation brings its own"
                .to_owned(),
        ),
        _ => None,
    };
    let mut error = CommandError::from(error);
    if let Some(mend) = mend {
        error.hints = vec![mend];
    }
    found.failed("keystore", error);
}

/// Whether something is later than this clock says it is now: then one of two clocks is wrong.
pub(super) fn is_ahead(time: u64) -> bool {
    time > now().saturating_add(AHEAD)
}
