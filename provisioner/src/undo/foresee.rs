//! What an undo would do, before it does.

use super::change::{Change, around, told_of_newer};
use super::reverse::reverse;
use crate::effect::Effect;
use crate::host::Observe;
use crate::run::words;

/// What would become of one block's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// All of it is put back.
    Reverts {
        /// By the script that its block has for that.
        runs: bool,
        /// What is done for it, in words: "remove /etc/motd".
        what: Vec<String>,
    },
    /// Nothing is left of it.
    Gone,
    /// Some of it stays.
    Stays {
        /// Why.
        why: Vec<String>,
        /// What is done for the rest.
        what: Vec<String>,
    },
}

/// What an undo would do with the changes of a run, newest block first.
pub fn foresee(changes: &[Change], host: &dyn Observe) -> Vec<Fate> {
    let mut around = around(changes);
    let changes = told_of_newer(changes);
    changes
        .iter()
        .enumerate()
        .map(|(block, change)| {
            let older = &changes[block + 1..];
            let (mut any, mut runs, mut stays) = (false, false, Vec::new());
            let mut what = Vec::new();
            for before in change.before.iter().rev() {
                if older.iter().any(|older| older.decides(before)) {
                    any = true;
                    continue;
                }
                match reverse(before, host, &around) {
                    Ok(reversal) => {
                        any |= !reversal.is_empty();
                        runs |= reversal.first.iter().any(|e| matches!(e, Effect::Run(_)));
                        around.foresee(before, &reversal.first);
                        let effects = reversal.first.iter().chain(&reversal.then);
                        let effects = effects.filter(|e| !matches!(e, Effect::Remember { .. }));
                        what.extend(effects.map(words));
                        stays.extend(reversal.stays);
                    }
                    Err(why) => stays.push(why.to_string()),
                }
            }
            match (stays.is_empty(), any) {
                (false, _) => Fate::Stays { why: stays, what },
                (true, true) => Fate::Reverts { runs, what },
                (true, false) => Fate::Gone,
            }
        })
        .collect()
}
