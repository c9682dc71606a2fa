//! `[settings]`: how a run goes about a config.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::config::fields;
use crate::fault::{Fault, Place};

/// The longest that a run waits for its host, or to be confirmed.
const LONGEST: Duration = Duration::from_hours(24);

/// The settings of later versions.
const LATER: [&str; 1] = ["parallel"];

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
    /// In what time after a run over the channel a new session must confirm that the host can still be
    /// reached, in seconds or such as `"60s"`, `"5m"`, at most a day: the host undoes the run otherwise.
    /// `hpt provision` confirms by itself. 120 seconds for a run that changes a block with `confirm`, and
    /// no time for others; `"0s"` is for none at all.
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub(super) confirm: Option<Duration>,
    /// Whether a run removes what hpt made for an earlier state of this config and no block is about any
    /// more; false, and plans show it as orphans. The same as `--prune`. What was there before hpt, or
    /// cannot be removed, is let go: no plan shows it again.
    pub(super) prune: bool,
    /// How long is waited for a host that another run holds, in seconds or such as `"60s"`, `"5m"`, at most
    /// a day; not at all. `hpt provision --wait` says another time. Of those who wait any may be the next.
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub(super) lock_wait: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flush_on_fail: true,
            allow_no_sudoer: false,
            confirm: None,
            prune: false,
            lock_wait: None,
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
        let table = value.get_ref().as_table();
        let span_of = |key| {
            let value = table.and_then(|table| table.get(key));
            value.map_or(whole.clone(), Spanned::span)
        };
        let spans = ["confirm", "lock_wait"].map(span_of);
        let read = Self::deserialize(ValueDeserializer::from(value));
        let times = read.as_ref().map(|read| [read.confirm, read.lock_wait]);
        let times = times.unwrap_or_default().into_iter().zip(spans);
        let mut long = times.filter(|(time, _)| time.is_some_and(|time| time > LONGEST));
        if let Some((_, span)) = long.next() {
            let what = "a run waits at most 24 hours, for its host or to be confirmed";
            faults.push(Fault::error(what, Place { file, span }));
            return None;
        }
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
