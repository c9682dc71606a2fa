//! `[[service]]`: whether a systemd service runs, now and after a boot.

use serde::Deserialize;

use crate::block::{Action, Decision, Kind, Verb};
use crate::effect::{Effect, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key, Unit};
use crate::name::UnitName;
use crate::view::View;

/// A systemd service, or another unit by its full name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name; `.service` is understood.
    #[serde(deserialize_with = "unit_name")]
    name: UnitName,
    /// "started" or "stopped"; "restarted" and "reloaded" do so in every run.
    status: Option<Status>,
    /// Whether it starts at boot.
    enabled: Option<bool>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

fn unit_name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<UnitName, D::Error> {
    crate::name::deserialize(d, UnitName::service)
}

impl Kind for Service {
    const NAME: &'static str = "service";
    const LATER: &'static [&'static str] = &["masked", "scope", "wait_active"];

    fn primary(&self) -> String {
        let name = self.name.as_str();
        name.strip_suffix(".service").unwrap_or(name).to_owned()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.status.is_none() && self.enabled.is_none() {
            complain("", "[[service]] needs `status` or `enabled`".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        vec![Key::Unit(self.name.clone())]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !view.powers().services {
            let why = "systemd cannot be asked: it does not run here, hpt is not root, or this is a root directory";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        let unit = match view.unit(&self.name)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(Some(unit)) => unit,
            Fate::Is(None) if self.wants_nothing() => return Ok(Decision::InPlace),
            Fate::Is(None) => {
                let why = format!(
                    "there is no unit {} on this host; install what brings it before this block",
                    self.name
                );
                return Ok(Decision::Blocked(why));
            }
        };
        Ok(self.judge(&unit))
    }
}

impl Service {
    /// A unit that is not there neither runs nor starts at boot.
    fn wants_nothing(&self) -> bool {
        matches!(self.status, None | Some(Status::Stopped)) && self.enabled != Some(true)
    }

    fn judge(&self, unit: &Unit) -> Decision {
        let mut jobs = Vec::new();
        let mut words = Vec::new();
        let enabled = matches!(
            unit.enabled.as_str(),
            "enabled" | "enabled-runtime" | "alias"
        );
        match (self.enabled, unit.enabled.as_str()) {
            (Some(true), _) if enabled => {}
            (Some(true), "masked" | "masked-runtime") => {
                return Decision::Blocked(format!("{} is masked; unmask it first", self.name));
            }
            // These have no [Install] section: something else starts them.
            (Some(true), state @ ("static" | "generated" | "transient" | "indirect")) => {
                return Decision::Blocked(format!(
                    "{} cannot be enabled: it is {state}, so that other units decide when it starts",
                    self.name
                ));
            }
            (Some(true), _) => {
                jobs.push(UnitJob::Enable);
                words.push("enable");
            }
            (Some(false), _) if enabled => {
                jobs.push(UnitJob::Disable);
                words.push("disable");
            }
            _ => {}
        }
        let running = matches!(unit.active.as_str(), "active" | "reloading" | "refreshing");
        let repeats = matches!(self.status, Some(Status::Restarted | Status::Reloaded));
        match self.status {
            Some(Status::Started) if !running => {
                jobs.push(UnitJob::Start);
                words.push(if unit.condition_failed {
                    "start, though a condition of the unit was not met the last time"
                } else {
                    "start"
                });
            }
            Some(Status::Stopped) if !matches!(unit.active.as_str(), "inactive" | "failed") => {
                jobs.push(UnitJob::Stop);
                words.push("stop");
            }
            Some(Status::Restarted) => {
                jobs.push(UnitJob::Restart);
                words.push("restart");
            }
            Some(Status::Reloaded) => {
                jobs.push(UnitJob::Reload);
                words.push("reload");
            }
            _ => {}
        }
        if jobs.is_empty() {
            return Decision::InPlace;
        }
        let effects = jobs.into_iter().map(|job| Effect::Unit {
            name: self.name.clone(),
            job,
        });
        let verb = if repeats { Verb::Run } else { Verb::Update };
        let action = Action::new(verb, words.join(", "), effects.collect());
        Decision::Act(Action { repeats, ..action })
    }
}
