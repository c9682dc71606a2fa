//! The fields that every block may have, taken off it before its kind reads the rest.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::scope::is_template;
use crate::config::{fields, spans};
use crate::fault::{Fault, Place};

/// The longest that a block may be given.
const LONGEST: Duration = Duration::from_hours(24);

/// The fields, in the order in which the reference has them. `when` and `for_each` are taken before
/// the others, since they decide whether and how often those are read.
const FIELDS: [&str; 11] = [
    "id",
    "desc",
    "tags",
    "after",
    "notify",
    "sensitive",
    "on_error",
    "retries",
    "delay",
    "timeout",
    "confirm",
];

/// What every block may say of itself.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Common {
    /// What the block is called in plans, in `after` and in `result`; 1 to 256 characters. Default:
    /// `kind:primary`, such as `file:/etc/motd`.
    pub(super) id: Option<Spanned<String>>,
    /// A note for who reads the config, such as `"asked for by ana"`; none.
    pub(super) desc: Option<String>,
    /// Words by which `--tags` chooses blocks, such as `["web"]`; those of its file.
    pub(super) tags: Vec<String>,
    /// Ids of blocks that must stand before this one, such as `["package:nginx"]`; none. It asserts the
    /// order and does not make it.
    pub(super) after: Vec<Spanned<String>>,
    /// Names of handlers that run once, at the end or at a `[[flush]]`, when this block changed
    /// something, such as `["nginx"]`; none.
    pub(super) notify: Vec<Spanned<String>>,
    /// Whether no content of it is ever shown; false, but true of every block that a secret goes into.
    pub(super) sensitive: bool,
    /// What becomes of the run when this block fails: `"fail"` stops it, `"continue"` goes on with the
    /// next one; `"fail"`.
    pub(super) on_error: OnError,
    /// How often the block is tried again when it fails, 0 to 100 times; 0.
    #[serde(deserialize_with = "at_most_100")]
    pub(super) retries: u8,
    /// How long to wait before each retry, in seconds or such as `"5s"`, `"2m"`; one second.
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub(super) delay: Option<Duration>,
    /// How long the block may take each time that it is tried, with all that is started for it, such
    /// as "90s", "5m", "2h"; one second to 24 hours. Then it is ended, and has failed. Without it a
    /// command has five minutes, a clone thirty, a transaction of packages an hour.
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub(super) timeout: Option<Duration>,
    /// Whether a run over the channel that changes this block must be confirmed by a new session
    /// afterwards, or is undone; `[settings]` has the time. True of `[[firewall]]`, and on a running host
    /// of what can cut the way to it: hpt's own unit, keystore and program, the configuration of sshd and
    /// of the network and their units. False of others.
    pub(super) confirm: Option<bool>,
}

/// What becomes of the run when a block fails.
#[derive(Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The blocks after it are not run.
    #[default]
    Fail,
    /// They are, and the run fails in the end all the same.
    Continue,
}

fn at_most_100<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u8, D::Error> {
    struct Number;
    impl serde::de::Visitor<'_> for Number {
        type Value = u8;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number from 0 to 100")
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u8, E> {
            let small = u8::try_from(number).ok().filter(|number| *number <= 100);
            small.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
        }
    }
    d.deserialize_i64(Number)
}

/// Takes the common fields off a block whose texts are rendered. Where some are known `elsewhere`, on
/// the target, it judges those.
pub(super) fn take(
    kind: &str,
    all: &mut DeTable<'_>,
    place: &Place,
    elsewhere: bool,
    faults: &mut Vec<Fault>,
) -> Common {
    let mut common = DeTable::new();
    for field in FIELDS {
        let Some((key, value)) = all.remove_entry(field) else {
            continue;
        };
        let is_typed = ["on_error", "retries", "delay", "timeout", "confirm"].contains(&field);
        if !(elsewhere && is_typed && value.get_ref().as_str().is_some_and(is_template)) {
            common.insert(key, value);
        }
    }
    let file = place.file;
    let known = spans(&common, file);
    let mut common = loop {
        let table = Spanned::new(place.span.clone(), DeValue::Table(common.clone()));
        let error = match Common::deserialize(ValueDeserializer::from(table)) {
            Ok(read) => break read,
            Err(error) => error,
        };
        let span = error.span().unwrap_or_else(|| place.span.clone());
        let at = Place { file, span };
        let wrong = fields::holder(&common, &at).map(ToOwned::to_owned);
        faults.push(fields::wrong_value(
            kind,
            &common,
            error.message(),
            at,
            false,
        ));
        // What else is wrong is read without it.
        let Some(_) = wrong.and_then(|key| common.remove(key.as_str())) else {
            break Common::default();
        };
    };
    let is_name = |id: &str| !id.is_empty() && id.len() <= 256 && !id.chars().any(char::is_control);
    if common.id.as_ref().is_some_and(|id| !is_name(id.get_ref())) {
        let what = "an id is 1 to 256 characters of text without line breaks";
        let at = known.get("id").unwrap_or(place).clone();
        faults.push(Fault::error(what, at));
        common.id = None;
    }
    if common.timeout.is_some_and(|t| t > LONGEST || t.is_zero()) {
        let what = "a timeout is at least a second and at most 24 hours";
        let at = known.get("timeout").unwrap_or(place).clone();
        faults.push(Fault::error(what, at));
    }
    common
}
