//! Keystores, targets and fingerprints, as a person reads them and as objects for programs.

use hpt_keystore::client::{Behind, KnownTarget};
use hpt_keystore::target::PinnedClient;
use hpt_keystore::{Identity, Role};
use serde::Serialize;

use super::day;
use super::style::{BOLD, DIM};

/// Keys that are older should be new ones, in seconds (R4).
pub(crate) const OLD: u64 = 180 * DAY;
pub(crate) const DAY: u64 = 86_400;

/// The table of `hpt list-target-keys`.
pub(crate) fn targets(targets: &[KnownTarget]) -> String {
    let address = |t: &KnownTarget| {
        t.address
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string)
    };
    let widest = |column: &dyn Fn(&KnownTarget) -> usize, head: usize| {
        targets
            .iter()
            .map(column)
            .max()
            .unwrap_or_default()
            .max(head)
    };
    let name = widest(&|t| t.name.as_str().len(), 4);
    let place = widest(&|t| address(t).len(), 7);
    let mut text = format!(
        "{DIM}{:name$}  {:place$}  {:10}  FINGERPRINT{DIM:#}",
        "NAME", "ADDRESS", "ADDED"
    );
    for target in targets {
        let (fingerprint, added) = (target.identity.fingerprint(), day(target.added_at));
        text += &format!(
            "\n{:name$}  {:place$}  {added:10}  {fingerprint}",
            target.name,
            address(target)
        );
    }
    text
}

/// Everything of one target that is not secret.
pub(crate) fn target(target: &KnownTarget) -> String {
    let mut rows = vec![("fingerprint", target.identity.fingerprint())];
    rows.push(("key", target.identity.to_text(Role::Target)));
    if let Some(address) = &target.address {
        rows.push(("address", address.to_string()));
    }
    rows.push(("added", day(target.added_at)));
    let behind = target.behind.as_ref().map(|behind| match behind {
        Behind::Follows { .. } => {
            "it knows your keys before these, and follows at its next contact"
        }
        Behind::Unsettled => "it knows yours and those before, which go at its next contact",
    });
    rows.extend(behind.map(|words| ("your keys", words.to_owned())));
    titled(target.name.as_str(), rows)
}

/// A client that a target obeys.
pub(crate) fn client(client: &PinnedClient) -> String {
    let rows = vec![
        ("fingerprint", client.identity.fingerprint()),
        ("key", client.identity.to_text(Role::Client)),
        ("may", client.grants.to_string()),
        ("added", day(client.added_at)),
    ];
    titled(client.name.as_str(), rows)
}

/// A title and rows of a word and its value.
pub(crate) fn titled(title: &str, rows: Vec<(&str, String)>) -> String {
    let widest = rows
        .iter()
        .map(|(word, _)| word.len())
        .max()
        .unwrap_or_default();
    let mut text = format!("{BOLD}{title}{BOLD:#}");
    for (word, value) in rows {
        text += &format!("\n  {DIM}{word:widest$}{DIM:#}  {value}");
    }
    text
}

/// Keys of one side, for programs.
#[derive(Serialize)]
pub(crate) struct Keys {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    role: &'static str,
    fingerprint: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keystore: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
}

impl Keys {
    pub(crate) fn new(event: &'static str, role: Role, identity: &Identity) -> Self {
        Self {
            event,
            name: None,
            role: match role {
                Role::Client => "client",
                Role::Target => "target",
            },
            fingerprint: identity.fingerprint(),
            key: identity.to_text(role),
            keystore: None,
            address: None,
            grants: None,
            added_at: None,
            serial: None,
        }
    }

    pub(crate) fn target(event: &'static str, target: &KnownTarget) -> Self {
        Self {
            name: Some(target.name.to_string()),
            address: target.address.as_ref().map(ToString::to_string),
            added_at: Some(target.added_at),
            ..Self::new(event, Role::Target, &target.identity)
        }
    }

    pub(crate) fn client(event: &'static str, client: &PinnedClient) -> Self {
        Self {
            name: Some(client.name.to_string()),
            grants: Some(client.grants.to_string()),
            added_at: Some(client.added_at),
            ..Self::new(event, Role::Client, &client.identity)
        }
    }

    #[must_use]
    pub(crate) fn named(self, name: impl ToString) -> Self {
        Self {
            name: Some(name.to_string()),
            ..self
        }
    }

    #[must_use]
    pub(crate) fn at(self, keystore: &std::path::Path, serial: Option<u64>) -> Self {
        Self {
            keystore: Some(keystore.display().to_string()),
            serial,
            ..self
        }
    }
}
