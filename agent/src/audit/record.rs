//! One record of an audit: what happened, and the line that says so.

use std::collections::BTreeMap;

use hpt_keystore::PublicKey;
use hpt_proto::Running;
use serde::{Deserialize, Serialize};

/// The longest value of a detail, in bytes.
const LONGEST: usize = 1024;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `hpt serve` has started.
    Served,
    /// A connection did not authenticate.
    SessionRefused,
    /// A pinned client asked for what it may not.
    CallRefused,
    /// Clients were pinned or removed, or their grants changed.
    PinsChanged,
    /// A run is about to change the host.
    RunBegan,
    /// A run has come to its end.
    RunEnded,
    /// A run goes on after a reboot of its host.
    RunResumed,
    /// A run did not begin: it could not be recorded, or the hpt that it was to bring does not run here.
    RunRefused,
    /// A run was found whose process had ended before it did.
    RunCut,
    /// An undo is about to change the host.
    UndoBegan,
    /// An undo has come to its end.
    UndoEnded,
    /// A run was told to stop.
    Cancelled,
    /// A run was confirmed over a new session.
    Confirmed,
    /// A record that never was whole was dropped.
    Repaired,
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// In unix seconds.
    pub time: u64,
    /// What happened.
    pub kind: Kind,
    /// The client, as it is pinned here; `local` for a run without a network.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The fingerprint of its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The run that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// The rest, by names; no secret, and no content of any file.
    pub detail: BTreeMap<&'static str, String>,
}

impl Entry {
    /// That something happened, at a time in unix seconds.
    pub fn new(time: u64, kind: Kind) -> Self {
        Self {
            time,
            kind,
            by: String::new(),
            key: String::new(),
            run: String::new(),
            detail: BTreeMap::new(),
        }
    }

    /// That a run of someone has come to something.
    pub(crate) fn of_run(kind: Kind, running: &Running, asked: &Asked) -> Self {
        Self {
            by: running.by.clone(),
            key: asked.key.clone(),
            run: running.run.clone(),
            ..Self::new(running.since, kind)
        }
    }

    /// With one more detail, as far as it is not too long.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "numbers and texts, as they are"
    )]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        let mut value = value.to_string();
        value.truncate(value.floor_char_boundary(LONGEST));
        self.detail.insert(name, value);
        self
    }
}

/// Who asks for a run, besides their name; empty on the host itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The fingerprint of their key.
    pub key: String,
    /// What they may do.
    pub grants: String,
}

/// How a client's key is named: the first 8 bytes of its BLAKE3 hash, in hexadecimal digits.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    blake3::hash(key.as_bytes()).to_hex()[..16].to_owned()
}

/// A record as it was read; its kind may be one that only a later hpt knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    /// In unix seconds.
    pub time: u64,
    /// What happened.
    pub kind: String,
    /// The client, if one did it.
    #[serde(default)]
    pub by: String,
    /// The fingerprint of its key.
    #[serde(default)]
    pub key: String,
    /// The run that it is about.
    #[serde(default)]
    pub run: String,
    /// The rest, by names.
    pub detail: BTreeMap<String, String>,
    /// The hash of the record before, in hexadecimal digits.
    pub prev: String,
    /// Its own.
    pub hash: String,
}
