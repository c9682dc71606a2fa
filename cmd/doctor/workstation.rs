//! A workstation: its keys, what it knows of its targets, and what was left to be done.

use std::collections::BTreeSet;
use std::path::Path;

use hpt_keystore::Own;
use hpt_keystore::client::{ClientKeys, KnownTarget};

use super::finding::Findings;
use super::here::is_ahead;
use crate::address::HostPort;
use crate::context::{Context, now};
use crate::fleet::Again;
use crate::inventory::Known;
use crate::print::keys::OLD;
use crate::print::{day, listed_up_to, moment, plural, span, word};

/// As many names are told.
const NAMED: usize = 5;

pub(super) fn look(
    path: &Path,
    keys: Option<&ClientKeys>,
    context: &mut Context,
    found: &mut Findings,
) {
    if let Some(keys) = keys {
        own_keys(path, keys, found);
    }
    match context.known(&[]) {
        Ok(known) => {
            inventory(&known, found);
            if let Some(keys) = keys {
                targets(&known, &keys.targets, found);
            }
        }
        Err(error) => found.failed("inventory", error),
    }
    left(context, found);
}

fn own_keys(path: &Path, keys: &ClientKeys, found: &mut Findings) {
    let targets = plural(keys.targets.len(), "target");
    found.ok("keystore", format!("{}, {targets}", path.display()));
    match keys.own {
        Own::Open(_) => found.warn(
            "passphrase",
            "none: whoever copies the keystore is you",
            "`hpt passphrase` sets one",
        ),
        Own::Sealed(_) => found.ok("passphrase", "set"),
    }
    // A keystore does not say when its own keys were made, but no pin is older than they are.
    let oldest = keys.targets.iter().min_by_key(|target| target.added_at);
    let newest = keys.targets.iter().max_by_key(|target| target.added_at);
    let (Some(oldest), Some(newest)) = (oldest, newest) else {
        return;
    };
    let age = now().saturating_sub(oldest.added_at);
    let words = format!(
        "{} old at least: {} was pinned with it",
        span(age),
        oldest.name
    );
    if age < OLD {
        found.ok("own key", words);
    } else {
        let mend = "`hpt rotate-client-keys` makes others, and has every target know them";
        found.warn("own key", words, mend);
    }
    if is_ahead(newest.added_at) {
        let words = format!(
            "{} UTC, and {} was pinned on {}",
            moment(now()),
            newest.name,
            day(newest.added_at)
        );
        found.warn("clock", words, "`timedatectl` shows whether it is set");
    } else {
        found.ok("clock", format!("{} UTC", moment(now())));
    }
}

fn inventory(known: &Known, found: &mut Findings) {
    match &known.file {
        Some(file) => {
            let targets = plural(known.inventory.names().count(), "target");
            found.ok("inventory", format!("{}, {targets}", file.name));
        }
        None => found.ok("inventory", "none"),
    }
}

fn targets(known: &Known, targets: &[KnownTarget], found: &mut Findings) {
    let pinned: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let names = known.inventory.names();
    let keyless: Vec<&str> = names.filter(|name| !pinned.contains(name)).collect();
    if let Some(first) = keyless.first() {
        found.warn(
            "keys",
            format!("without any, but in the inventory: {}", listed_up_to(NAMED, &keyless)),
            format!("`hpt install root@ADDRESS --target {first}`, or `hpt gen-target-keys --target {first}`"),
        );
    } else if known.file.is_some() {
        found.ok("keys", "all of the inventory have theirs");
    }
    let (mut nowhere, mut wrong) = (Vec::new(), Vec::new());
    for target in targets {
        let at = known.inventory.at(target.name.as_str());
        let bad = at.ips.iter().find(|ip| HostPort::parse(ip).is_err());
        if let Some(bad) = bad {
            wrong.push(format!("{} at {bad}", target.name));
        } else if at.ips.is_empty() && target.address.is_none() {
            nowhere.push(target.name.as_str());
        }
    }
    if !wrong.is_empty() {
        let words = format!("not what one is: {}", listed_up_to(NAMED, &wrong));
        let mend = "an address or name in `ips` of targets.toml, perhaps with :PORT";
        found.fail("addresses", words, mend);
    }
    if let Some(first) = nowhere.first() {
        let words = format!("none known of {}", listed_up_to(NAMED, &nowhere));
        let mend =
            format!("`ips` in targets.toml, or `hpt --target {first} --ip ADDRESS ...` each time");
        found.warn("addresses", words, mend);
    } else if wrong.is_empty() && !targets.is_empty() {
        found.ok("addresses", "known of all targets");
    }
}

/// What a command on many targets has not done.
fn left(context: &Context, found: &mut Findings) {
    let Ok(path) = context.retry_file() else {
        return;
    };
    match Again::read(&path) {
        Ok(None) => {}
        Ok(Some(again)) => {
            let words: Vec<_> = again.words.iter().map(|text| word(text)).collect();
            found.warn(
                "retry",
                format!("not all was done of: hpt {}", words.join(" ")),
                format!(
                    "`hpt retry --failed` does the rest, `rm {}` forgets it",
                    word(&path.to_string_lossy())
                ),
            );
        }
        Err(mut error) => {
            error.hints = vec![format!("`rm {}`", word(&path.to_string_lossy()))];
            found.failed("retry", error);
        }
    }
}
