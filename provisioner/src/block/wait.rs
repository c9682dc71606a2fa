//! `[[wait]]`: a step that goes on when something has come about.

use std::time::Duration;

use serde::Deserialize;

use crate::block::{Decision, Kind};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, UnitName};
use crate::view::View;

/// Waits until a port is listened on, a file is there or a unit runs; exactly one of the three. It
/// changes nothing, and is in place where that is so already. A plan cannot tell how a wait ends, and
/// says so.
///
/// ```toml
/// [[wait]]
/// port = 5432
/// within = "1m"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Until a process of the host listens on this TCP port, 1 to 65535, such as 5432, at whichever
    /// address.
    port: Option<u16>,
    /// Until something lies at this path, such as `"/run/app.sock"`.
    file: Option<AbsPath>,
    /// Until this systemd unit is active, such as `"postgresql"`; `.service` is understood.
    #[serde(default, deserialize_with = "unit_name")]
    unit: Option<UnitName>,
    /// How long at most, in seconds or such as "90s", "5m", "1h"; 30 seconds. Then the block fails.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    within: Option<Duration>,
}

const WITHIN: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(24);

fn unit_name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<UnitName>, D::Error> {
    crate::name::deserialize(d, UnitName::service).map(Some)
}

impl Kind for Wait {
    const NAME: &'static str = "wait";

    fn primary(&self) -> String {
        self.words()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let given: Vec<&'static str> = [
            ("port", self.port.is_some()),
            ("file", self.file.is_some()),
            ("unit", self.unit.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect();
        match given[..] {
            [] => complain("", "[[wait]] needs `port`, `file` or `unit`".to_owned()),
            [first, second, ..] => complain(
                second,
                format!("a wait is for either `{first}` or `{second}`, not both"),
            ),
            [_] => {}
        }
        if self.port == Some(0) {
            complain("port", "a port is 1 to 65535".to_owned());
        }
        if self.within.is_some_and(|t| t.is_zero() || t > LONGEST) {
            complain(
                "within",
                "a wait is at least a second and at most 24 hours".to_owned(),
            );
        }
    }

    fn reads(&self) -> Vec<Key> {
        let port = self.port.map(|port| Key::Setting(Setting::Port(port)));
        let file = self.file.clone().map(Key::Path);
        let unit = self.unit.clone().map(|unit| Key::Unit(unit.into()));
        port.into_iter().chain(file).chain(unit).collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let powers = view.powers();
        let lacks_power = match (&self.port, &self.unit) {
            (Some(_), _) => !powers.kernel,
            (_, Some(_)) => !powers.services,
            _ => false,
        };
        if lacks_power {
            let why = "nothing comes about in a root that does not run, or that hpt cannot ask without being root";
            return Ok(Decision::Skip(why.to_owned()));
        }
        let so = if let Some(port) = self.port {
            is_so(view.setting(&Setting::Port(port))?, |_| true)
        } else if let Some(path) = &self.file {
            is_so(view.path(path)?, |_| true)
        } else if let Some(unit) = &self.unit {
            is_so(view.unit(&unit.clone().into())?, |unit| {
                unit.active == "active"
            })
        } else {
            false
        };
        if so {
            return Ok(Decision::InPlace);
        }
        Ok(Decision::Await {
            within: self.within.unwrap_or(WITHIN),
            what: self.words(),
        })
    }
}

/// Whether it is known to be so.
fn is_so<T>(fate: Fate<Option<T>>, accept: impl FnOnce(T) -> bool) -> bool {
    match fate {
        Fate::Is(Some(seen)) => accept(seen),
        Fate::Is(None) | Fate::Unknown(_) => false,
    }
}

impl Wait {
    /// What it waits for.
    fn words(&self) -> String {
        let port = self.port.map(|port| format!("port {port}"));
        let file = || self.file.as_ref().map(ToString::to_string);
        let unit = || self.unit.as_ref().map(ToString::to_string);
        port.or_else(file).or_else(unit).unwrap_or_default()
    }
}
