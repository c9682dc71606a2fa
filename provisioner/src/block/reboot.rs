//! `[[reboot]]`: a step of the run, which goes on when the host is back.

use std::time::Duration;

use serde::Deserialize;

use crate::block::{Decision, Kind};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::view::View;

/// Reboots the host in the midst of the run. The same run goes on with the next block when the host is
/// back, and `hpt provision` waits for it; blocks before it are looked at once more at the end.
///
/// Without `if_needed` each run reboots, and the block is never in place: there is a warning about it.
/// It is for a host whose `hpt serve` is a unit of systemd that starts at boot, and over the channel.
///
/// ```toml
/// [[reboot]]
/// if_needed = true
/// max_wait = "5m"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// Whether it reboots only a host that says so, and is in place where none does: by
    /// `/run/reboot-required`, or by a kernel that is installed and newer than the one that runs; false.
    #[serde(default)]
    if_needed: bool,
    /// How long the host may take to go down, and `hpt provision` waits for it to come back, in seconds
    /// or such as "90s", "5m", "1h", at most 24 hours; 10 minutes. A host that comes back later goes on
    /// with the run all the same.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    max_wait: Option<Duration>,
}

const MAX_WAIT: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(24);

impl Kind for Reboot {
    const NAME: &'static str = "reboot";

    fn primary(&self) -> String {
        String::new() // config names it by its place
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.max_wait.is_some_and(|t| t.is_zero() || t > LONGEST) {
            complain(
                "max_wait",
                "a reboot takes at least a second and at most 24 hours".to_owned(),
            );
        }
    }

    fn reads(&self) -> Vec<Key> {
        let needed = self.if_needed.then_some(Key::Setting(Setting::Reboot));
        needed.into_iter().collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !view.powers().reboots {
            let why = "a run goes on after a reboot only where `hpt serve` is a unit that starts at boot; provision the host over the channel, or leave the reboot out";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        let why = if self.if_needed {
            match view.setting(&Setting::Reboot)? {
                Fate::Is(None) => return Ok(Decision::InPlace),
                Fate::Is(Some(why)) => format!("reboots, since {why}"),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            }
        } else {
            "reboots".to_owned()
        };
        let within = self.max_wait();
        Ok(Decision::Reboot { why, within })
    }
}

impl Reboot {
    /// How long the host may be away.
    pub(crate) fn max_wait(&self) -> Duration {
        self.max_wait.unwrap_or(MAX_WAIT)
    }

    /// Whether it does so in each run.
    pub(crate) fn is_unguarded(&self) -> bool {
        !self.if_needed
    }
}
