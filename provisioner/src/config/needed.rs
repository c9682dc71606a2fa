//! `hpt = ">=0.1"`: the version of hpt that a config needs, on the workstation and on the target.

use toml::Spanned;
use toml::de::DeValue;

use crate::config::reader::Reader;
use crate::fault::{Fault, Place};

/// What this hpt is.
const OWN: &str = env!("CARGO_PKG_VERSION");

impl Reader {
    /// Tells of an hpt that is too old for the config.
    pub(super) fn judge_version(&mut self, value: &Spanned<DeValue<'_>>, place: Place) {
        let wanted = value.get_ref().as_str();
        let Some(least) = wanted.and_then(least) else {
            let what = "`hpt` is the least version of hpt that the config needs";
            self.faults
                .push(Fault::error(what, place).hint("write it as hpt = \">=0.1\""));
            return;
        };
        if numbers(OWN) < Some(least) {
            let wanted = wanted.unwrap_or_default();
            let whose = match self.scope.facts {
                Some(_) => "the host has",
                None => "this is",
            };
            let what = format!("the config needs hpt {wanted}, and {whose} hpt {OWN}");
            let hint = match self.scope.facts {
                Some(_) => "install a newer hpt on the host, with its `hpt serve` started anew",
                None => "install a newer hpt on this machine",
            };
            self.faults.push(Fault::error(what, place).hint(hint));
        }
    }
}

/// The version after `>=`.
fn least(text: &str) -> Option<[u32; 3]> {
    numbers(text.trim().strip_prefix(">=")?.trim())
}

/// One to three numbers; those that are not there are 0. What a `-` or `+` begins does not count.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    for (index, number) in plain.split('.').enumerate() {
        *version.get_mut(index)? = number.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_in_their_order() {
        assert_eq!(least(">=0.1"), Some([0, 1, 0]));
        assert_eq!(least(" >= 1.2.3 "), Some([1, 2, 3]));
        assert_eq!(numbers("0.2.0-rc.1"), Some([0, 2, 0]));
        assert!(numbers("0.10.0") > numbers("0.9.1"));
        assert!(numbers(OWN).is_some());
        for wrong in ["0.1", "=0.1", ">=", ">=1.2.3.4", ">=x", ">0.1", "^0.1"] {
            assert_eq!(least(wrong), None, "{wrong}");
        }
    }
}
