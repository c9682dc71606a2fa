//! Transactions as values: several as one, and whether one is done.

use super::{Packages, wanted};
use crate::effect::Transaction;
use crate::name::PackageName;

/// Several transactions as one; equal wants are one.
pub(super) fn merge(batch: &[&Transaction]) -> Transaction {
    let mut merged = Transaction::default();
    for transaction in batch {
        for want in &transaction.install {
            if !merged.install.contains(want) {
                merged.install.push(want.clone());
            }
        }
        for (all, more) in [
            (&mut merged.upgrade, &transaction.upgrade),
            (&mut merged.remove, &transaction.remove),
            (&mut merged.hold, &transaction.hold),
            (&mut merged.unhold, &transaction.unhold),
        ] {
            all.extend(more.iter().cloned());
        }
        merged.refresh |= transaction.refresh;
    }
    merged
}

/// Whether what is there is what was wanted.
pub(super) fn is_done(transaction: &Transaction, packages: &Packages) -> bool {
    let held = |name: &PackageName| packages.get(name).is_some_and(|package| package.held);
    wanted(transaction).all(|want| {
        let package = packages.get(&want.name).filter(|p| p.configured);
        package.is_some_and(|p| want.version.is_none() || p.version == want.version)
    }) && transaction
        .remove
        .iter()
        .all(|name| packages.get(name).is_none())
        && transaction.hold.iter().all(held)
        && !transaction.unhold.iter().any(held)
}

/// What was done, in a few words.
pub(super) fn note(transaction: &Transaction, packages: &Packages) -> String {
    let version = |name: &PackageName| Some(packages.get(name)?.version.as_ref()?.to_string());
    let versions: Vec<String> = wanted(transaction)
        .filter_map(|want| version(&want.name))
        .collect();
    let mut words = Vec::new();
    if !versions.is_empty() {
        words.push(format!("installed {}", versions.join(", ")));
    }
    for (done, names) in [
        ("removed", &transaction.remove),
        ("held", &transaction.hold),
        ("released", &transaction.unhold),
    ] {
        match names.len() {
            0 => {}
            1 => words.push(done.to_owned()),
            more => words.push(format!("{done} {more}")),
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::live::managers::apt::tests::transaction;

    #[test]
    fn equal_wants_are_merged_into_one() {
        let (a, b) = (
            transaction(&[("aa", None), ("bb", None)], &[]),
            transaction(&[("bb", None)], &["cc"]),
        );
        assert_eq!(
            merge(&[&a, &b]),
            transaction(&[("aa", None), ("bb", None)], &["cc"])
        );
    }
}
