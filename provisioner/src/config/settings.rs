//! `[settings]`: how a run goes about a config.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::config::fields;
use crate::fault::{Fault, Place};

/// The settings of later versions.
const LATER: [&str; 4] = ["confirm", "lock_wait", "parallel", "prune"];

/// How a run goes about a config.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Whether the handlers of what was changed run when a later block has failed; true. If not, they
    /// are due in the next run.
    pub(super) flush_on_fail: bool,
    /// Whether a block may take the right to sudo from the last user who has it; false, and such a block
    /// is refused: who leaves the group, is removed or locked, whose account gets a last day, or whose
    /// rule in `/etc/sudoers` or `/etc/sudoers.d` goes. That root can log in does not count.
    pub(super) allow_no_sudoer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flush_on_fail: true,
            allow_no_sudoer: false,
        }
    }
}

impl Settings {
    /// Reads the table `[settings]`; a fault for what is wrong in it.
    pub(super) fn read(
        value: Spanned<DeValue<'_>>,
        file: usize,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let whole = value.span();
        let keys = value.get_ref().as_table().into_iter().flatten();
        let later = keys.filter(|(key, _)| LATER.contains(&key.get_ref().as_ref()));
        let before = faults.len();
        for (key, _) in later {
            let key_name = key.get_ref();
            let what = format!("`{key_name}` comes with a later version of hpt");
            let span = key.span();
            let fault = Fault::error(what, Place { file, span });
            faults.push(fault.hint(format!("leave `{key_name}` out until then")));
        }
        if faults.len() > before {
            return None;
        }
        let read = Self::deserialize(ValueDeserializer::from(value));
        read.map_err(|error| {
            let span = error.span().unwrap_or(whole);
            let place = Place { file, span };
            faults.push(fields::in_table(
                "settings",
                "settings",
                error.message(),
                place,
            ));
        })
        .ok()
    }
}
