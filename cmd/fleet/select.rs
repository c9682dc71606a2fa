//! Which targets a pattern means: of those that have keys here.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;

use hpt_keystore::TargetName;
use hpt_keystore::client::{self, FindError};
use hpt_provisioner::inventory::Pattern;
use tokio::sync::mpsc::UnboundedSender;

use super::Member;
use super::member::Question;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::{listed_up_to, plural};
use crate::terminal::visible;

/// As many names are told.
const NAMED: usize = 5;

impl Context {
    /// The targets that a pattern means, in the order of their names. Nobody is contacted.
    pub(super) fn select(
        &mut self,
        pattern: &str,
        ask: &UnboundedSender<Question>,
    ) -> Result<Vec<Member>, CommandError> {
        let known = self.known(&[])?;
        let inventory = &known.inventory;
        let bad = |why: &dyn std::fmt::Display| {
            let what = format!("--on {}: {why}", visible(pattern));
            CommandError::usage(what).hint("for example --on 'tag:prod & !web-3'")
        };
        let pattern = Pattern::parse(pattern, &mut read_list).map_err(|why| bad(&why))?;
        let path = self.keystore()?;
        let keys = client::load(&path)?;
        let targets = &keys.targets;
        let pinned: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        for name in pattern.plain_names() {
            if !pinned.contains(name.as_str()) {
                let name = TargetName::parse(&name).map_err(|why| bad(&why))?;
                let known = targets.iter().map(|target| target.name.clone()).collect();
                return Err(FindError::Unknown { path, name, known }.into());
            }
        }
        let keyless = inventory.names().filter(|name| !pinned.contains(name));
        let keyless: Vec<_> = keyless
            .filter(|name| inventory.is_meant(&pattern, name))
            .collect();
        if let Some(first) = keyless.first() {
            let names = listed_up_to(NAMED, &keyless);
            let what = format!("the inventory has targets without keys here: {names}");
            return Err(CommandError::new(Exit::Keystore, what).hint(format!(
                "`hpt gen-target-keys --target {first}` makes them, or leave them out of --on"
            )));
        }
        let count = targets.len();
        let is_meant = |name: &TargetName| inventory.is_meant(&pattern, name.as_str());
        if !targets.iter().any(|target| is_meant(&target.name)) {
            let why = format_args!("means none of {}", plural(count, "target"));
            return Err(bad(&why).hint("`hpt list-target-keys` lists them"));
        }
        let mut meant = self.reach_all(keys, |target| is_meant(&target.name))?;
        meant.sort_by(|a, b| naturally(a.target.name.as_str(), b.target.name.as_str()));
        let member = |reach| Member::new(reach, ask.clone());
        Ok(meant.into_iter().map(member).collect())
    }
}

/// The names in a file, one a line; what begins with `#` is for people.
fn read_list(path: &str) -> Result<BTreeSet<String>, String> {
    let text = fs::read_to_string(path).map_err(|why| format!("{}: {why}", visible(path)))?;
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let name = |text: &str| match TargetName::parse(text) {
        Ok(name) => Ok(name.to_string()),
        Err(bad) => Err(format!("{}: {}: {bad}", visible(path), visible(text))),
    };
    names.map(name).collect()
}

/// The order in which people count: web-2 before web-10.
pub(super) fn naturally(a: &str, b: &str) -> Ordering {
    let (mut a_left, mut b_left) = (a, b);
    while let (Some(x), Some(y)) = (a_left.chars().next(), b_left.chars().next()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (x, a_rest) = number(a_left);
            let (y, b_rest) = number(b_left);
            (a_left, b_left) = (a_rest, b_rest);
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            (a_left, b_left) = (&a_left[x.len_utf8()..], &b_left[y.len_utf8()..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
    // Whatever else is the same, such as 1 and 01, two names are in some order.
    a_left.len().cmp(&b_left.len()).then_with(|| a.cmp(b))
}

/// The digits at the beginning without leading zeros, and what is behind them.
fn number(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_as_people_do() {
        let mut names = [
            "web-10", "web-2", "db", "web-1a", "web-1", "web-02", "web", "a100", "a20b1", "a20a9",
        ];
        names.sort_by(|a, b| naturally(a, b));
        assert_eq!(
            names,
            [
                "a20a9", "a20b1", "a100", "db", "web", "web-1", "web-1a", "web-02", "web-2",
                "web-10"
            ]
        );
        assert_eq!(naturally("web-1", "web-1"), Ordering::Equal);
    }
}
