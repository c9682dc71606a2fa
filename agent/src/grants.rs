//! Which grant each RPC needs, and the one function that decides whether a caller has it.

use hpt_keystore::{ClientName, Grant, Grants, PublicKey};

use crate::audit::{Asked, Entry, Kind, fingerprint};

/// A pinned client, as the keystore says right now.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: ClientName,
    pub(crate) key: PublicKey,
    /// When its pin ends, in unix seconds.
    pub(crate) until: Option<u64>,
    grants: Grants,
}

/// Every RPC of the service with the grant that it needs, if any: whoever calls is pinned. What is not listed
/// is refused (U3).
const TABLE: [(&str, Option<Grant>); 25] = [
    ("Status", Some(Grant::Status)),
    ("Facts", Some(Grant::Facts)),
    ("MissingBlobs", Some(Grant::Apply)),
    ("PutBlobs", Some(Grant::Apply)),
    ("Plan", Some(Grant::Plan)),
    ("Drift", Some(Grant::Plan)),
    ("Apply", Some(Grant::Apply)),
    ("Attach", Some(Grant::Attach)),
    ("AwaitFree", Some(Grant::Status)),
    ("Cancel", Some(Grant::Cancel)),
    ("Confirm", Some(Grant::Apply)),
    ("PlanUndo", Some(Grant::Undo)),
    ("Undo", Some(Grant::Undo)),
    ("AuditHead", None),
    ("Log", Some(Grant::Log)),
    ("Why", Some(Grant::Log)),
    ("Upgrade", Some(Grant::Exec)), // it runs what was sent, as root; that this is an apply too is seen to there
    ("Health", Some(Grant::Status)),
    ("Clients", Some(Grant::Pins)),
    ("Authorize", Some(Grant::Pins)),
    ("Revoke", Some(Grant::Pins)),
    // What a client owes to the keys at both ends is no matter of what it may do here.
    ("Succeed", None),
    ("Settle", None),
    ("Renew", Some(Grant::Pins)),
    ("Followed", None),
];

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this hpt has no such call; is it older than the client?")]
    Unknown,
    #[error("this client, pinned here as {name}, does not have the grant {grant}")]
    Lacks { name: ClientName, grant: Grant },
}

impl Caller {
    pub(crate) fn new(name: ClientName, key: PublicKey, grants: Grants) -> Self {
        Self {
            name,
            key,
            until: None,
            grants,
        }
    }

    /// The same, until its pin ends.
    pub(crate) fn ending(self, until: Option<u64>) -> Self {
        Self { until, ..self }
    }

    /// That it has done something, at a time in unix seconds.
    pub(crate) fn entry(&self, time: u64, kind: Kind) -> Entry {
        Entry {
            by: self.name.as_str().to_owned(),
            key: fingerprint(&self.key),
            ..Entry::new(time, kind)
        }
    }

    /// As the audit knows it.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            key: fingerprint(&self.key),
            grants: self.grants.to_string(),
        }
    }

    /// Whether this caller may make the call at `path`, such as `/hpt.v1.Target/Plan`.
    pub(crate) fn may(&self, path: &str) -> Result<(), Refused> {
        let rpc = path
            .strip_prefix("/hpt.v1.Target/")
            .ok_or(Refused::Unknown)?;
        let row = TABLE.iter().find(|(name, _)| *name == rpc);
        let (_, grant) = row.ok_or(Refused::Unknown)?;
        match grant {
            Some(grant) if !self.grants.allows(grant) => Err(Refused::Lacks {
                name: self.name.clone(),
                grant: grant.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether this caller may do all that these grants allow.
    pub(crate) fn covers(&self, grants: &Grants) -> bool {
        self.grants.cover(grants)
    }

    /// Whether configs of this caller may run commands.
    pub(crate) fn may_exec(&self) -> bool {
        self.grants.allows(&Grant::Exec)
    }

    /// Whether this caller may see what files hold: one who could print them anyway.
    pub(crate) fn may_see_content(&self) -> bool {
        self.may_exec() && self.grants.allows(&Grant::Apply)
    }
}

#[cfg(test)]
mod tests {
    use hpt_keystore::SecretKey;

    use super::*;

    const CONTRACT: &str = include_str!("../../proto/target.proto");

    fn rpcs() -> Vec<&'static str> {
        let (_, target) = CONTRACT.split_once("service Target {").unwrap();
        let (target, _) = target.split_once("\n}").unwrap();
        let names = target
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc "));
        names.map(|rest| rest.split('(').next().unwrap()).collect()
    }

    fn key() -> PublicKey {
        SecretKey::generate().public()
    }

    fn caller(grants: &str) -> Caller {
        Caller::new(
            ClientName::parse("laptop").unwrap(),
            key(),
            Grants::parse(grants).unwrap(),
        )
    }

    /// U3: an RPC without a row, or a row without an RPC, fails here.
    #[test]
    fn every_rpc_has_a_row() {
        let rows: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
        assert_eq!(rows, rpcs());
    }

    /// Every RPC with every grant alone, and with all but that one.
    #[test]
    fn a_call_needs_its_own_grant_and_no_other() {
        let words = "status facts plan apply exec log attach cancel undo pins call:x";
        for (rpc, needed) in TABLE {
            let path = format!("/hpt.v1.Target/{rpc}");
            let Some(needed) = needed else {
                assert!(
                    caller("").may(&path).is_ok(),
                    "{rpc} is for all who are pinned"
                );
                continue;
            };
            for word in words.split(' ') {
                let allowed = caller(word).may(&path).is_ok();
                assert_eq!(allowed, word == needed.to_string(), "{word} for {rpc}");
            }
            let others = words.replace(&needed.to_string(), "");
            assert!(
                caller(&others).may(&path).is_err(),
                "{rpc} without {needed}"
            );
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for path in [
            "",
            "/",
            "/hpt.v1.Target/",
            "/hpt.v1.Target/plan",
            "/hpt.v1.Hub/Plan",
            "Plan",
        ] {
            assert_eq!(
                Caller::new(ClientName::parse("x").unwrap(), key(), Grants::all()).may(path),
                Err(Refused::Unknown),
                "{path}"
            );
        }
    }

    #[test]
    fn content_is_shown_to_those_who_could_print_it_anyway() {
        assert!(caller("exec apply").may_see_content());
        for grants in ["plan", "exec", "apply plan", ""] {
            assert!(!caller(grants).may_see_content(), "{grants}");
        }
    }
}
