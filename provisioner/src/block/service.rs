//! `[[service]]`: whether a systemd service runs, now and after a boot.

use std::time::Duration;

use serde::Deserialize;

use crate::block::unit::{manager, offline, unit_name};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Effect, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key, Unit};
use crate::name::{AbsPath, UnitId, UnitName, UnitScope, UserName};
use crate::unit_file;
use crate::view::View;

/// A systemd service, or another unit by its full name.
///
/// ```toml
/// [[service]]
/// name = "nginx"
/// status = "started"
/// enabled = true
///
/// # A unit of ana's own systemd, which runs from boot on.
/// [[exec]]
/// script = "loginctl enable-linger ana"
/// creates = "/var/lib/systemd/linger/ana"
///
/// [[service]]
/// name = "app"
/// scope = "user:ana"
/// status = "started"
/// enabled = true
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name, such as `"nginx"`; `.service` is understood.
    #[serde(deserialize_with = "unit_name")]
    name: UnitName,
    /// `"started"` or `"stopped"`; left alone if it is not said. `"restarted"` and `"reloaded"` do so in
    /// every run; a `[[handler]]` does it when something has changed.
    status: Option<Status>,
    /// Whether it starts at boot; left alone if it is not said.
    enabled: Option<bool>,
    /// Whether nothing can start it, not even another unit, as `systemctl mask` has it. It does not
    /// stop what runs: say `status = "stopped"` too. A unit may be masked before it is there.
    masked: Option<bool>,
    /// Whose unit it is: "system", the host's own, or such as "user:ana", one that this user's systemd
    /// runs, as `systemctl --user` has it; "system". That systemd must run: it does while the user is
    /// logged in, and from boot on after `loginctl enable-linger ana`. What is enabled there starts
    /// with it, and says `WantedBy=default.target`.
    #[serde(default)]
    scope: UnitScope,
    /// How long it must stay active after a start or restart, in seconds or such as "10s"; 1 second
    /// to 10 minutes. It fails the block if the unit ends, or systemd starts it anew, before that.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    wait_active: Option<Duration>,
}

/// Longer than that, it is no longer a start.
const LONGEST: Duration = Duration::from_mins(10);

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

impl Kind for Service {
    const NAME: &'static str = "service";

    fn primary(&self) -> String {
        let name = self.name.as_str();
        let name = name.strip_suffix(".service").unwrap_or(name);
        match &self.scope {
            UnitScope::System => name.to_owned(),
            UnitScope::User(user) => format!("{user}/{name}"),
        }
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.status.is_none() && self.enabled.is_none() && self.masked.is_none() {
            let what = "[[service]] needs `status` or `enabled` or `masked`";
            complain("", what.to_owned());
        }
        if self.masked == Some(true) && (self.starts() || self.enabled == Some(true)) {
            let what = "what is masked can be neither started nor enabled";
            complain("masked", what.to_owned());
        }
        let Some(time) = self.wait_active else {
            return;
        };
        if !matches!(self.status, Some(Status::Started | Status::Restarted)) {
            let what = "`wait_active` goes with `status = \"started\"`";
            complain("wait_active", what.to_owned());
        }
        if time > LONGEST || time < Duration::from_secs(1) {
            let what = "`wait_active` is at least a second and at most 10 minutes";
            complain("wait_active", what.to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::Unit(self.unit())];
        match &self.scope {
            // A mask is a link in the place of the unit's own file.
            UnitScope::System if self.masked.is_some() => {
                keys.push(Key::Path(unit_file::path_of(&self.name)));
            }
            UnitScope::System => {}
            UnitScope::User(user) => keys.push(Key::User(user.clone())),
        }
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Unit(self.unit())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if offline::is_so(view.powers()) {
            return match &self.scope {
                UnitScope::System => self.decide_offline(view),
                UnitScope::User(user) => Ok(self.decide_users_offline(user)),
            };
        }
        if let Some(decision) = manager::without(&self.scope, view)? {
            return Ok(decision);
        }
        let unit = match view.unit(&self.unit())? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(Some(unit)) => unit,
            Fate::Is(None) if self.masked == Some(true) => Unit::fresh(),
            Fate::Is(None) => return Ok(self.without_unit()),
        };
        if let Some(decision) = self.in_the_way(&unit, view)? {
            return Ok(decision);
        }
        let mut steps = match self.judge(&unit) {
            Ok(steps) => steps,
            Err(why) => return Ok(Decision::Blocked(why)),
        };
        self.judge_status(&unit, &mut steps);
        if self.masked == Some(true) && unit.enabled != "masked" {
            steps.job(UnitJob::Mask, "mask");
        }
        if steps.jobs.is_empty() {
            return Ok(Decision::InPlace);
        }
        let effects = steps.jobs.into_iter().map(|job| Effect::Unit {
            unit: self.unit(),
            job,
        });
        let repeats = matches!(self.status, Some(Status::Restarted | Status::Reloaded));
        let verb = if repeats { Verb::Run } else { Verb::Update };
        let action = Action::new(verb, steps.words.join(", "), effects.collect());
        Ok(Decision::Act(Action { repeats, ..action }))
    }
}

impl Service {
    fn unit(&self) -> UnitId {
        UnitId {
            scope: self.scope.clone(),
            name: self.name.clone(),
        }
    }

    fn starts(&self) -> bool {
        !matches!(self.status, None | Some(Status::Stopped))
    }

    /// A unit that is not there neither runs nor starts at boot.
    fn without_unit(&self) -> Decision {
        if !self.starts() && self.enabled != Some(true) {
            return Decision::InPlace;
        }
        Decision::Blocked(format!(
            "there is no unit {} on this host; install what brings it before this block",
            self.unit()
        ))
    }

    /// A file of its own that lies where the link of a mask would.
    fn in_the_way(&self, unit: &Unit, view: &View<'_>) -> Result<Option<Decision>, HostError> {
        if self.masked != Some(true) || unit.is_masked() {
            return Ok(None);
        }
        let Some(own) = self.own_file(view)? else {
            return Ok(None);
        };
        Ok(match view.path(&own)? {
            Fate::Unknown(cause) => Some(Decision::Maybe(cause)),
            Fate::Is(Some(entry)) if !matches!(entry.kind, EntryKind::Symlink(_)) => {
                Some(Decision::Blocked(format!(
                    "{own} is where the link that masks {} would lie; remove it with a [[{}]] block with `absent = true` before this one",
                    self.unit(),
                    if self.scope == UnitScope::System {
                        "unit"
                    } else {
                        "file"
                    }
                )))
            }
            Fate::Is(_) => None,
        })
    }

    /// Where whoever it belongs to would put its file.
    fn own_file(&self, view: &View<'_>) -> Result<Option<AbsPath>, HostError> {
        let UnitScope::User(user) = &self.scope else {
            return Ok(Some(unit_file::path_of(&self.name)));
        };
        let home = view.home(user)?;
        let places = home.map(|home| unit_file::places_of_user(&self.name, &home));
        Ok(places.and_then(|places| places.into_iter().next()))
    }

    /// Where no systemd runs, a user's would have to make its links.
    fn decide_users_offline(&self, user: &UserName) -> Decision {
        if self.enabled.is_none() && self.masked.is_none() {
            return Decision::Skip(format!("{} is {}", self.unit(), offline::NOT_STARTED));
        }
        Decision::Blocked(format!(
            "units of {user} are enabled and masked by that user's own systemd, and none runs in this root; make their links with [[file]] blocks instead"
        ))
    }

    /// Where no systemd runs, links are made and nothing is started.
    fn decide_offline(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let written = (self.masked == Some(true)).then_some("");
        let seen = match offline::look(&self.name, None, view)? {
            Fate::Is(None) => offline::look(&self.name, written, view)?,
            seen => seen,
        };
        let seen = match seen {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(None) => return Ok(self.without_unit()),
            Fate::Is(Some(seen)) => seen,
        };
        if let Some(decision) = self.in_the_way(&seen.unit, view)? {
            return Ok(decision);
        }
        let mut steps = match self.judge(&seen.unit) {
            Ok(steps) => steps,
            Err(why) => return Ok(Decision::Blocked(why)),
        };
        if self.masked == Some(true) && !seen.unit.is_masked() {
            steps.job(UnitJob::Mask, "mask");
        }
        let mut effects = Vec::new();
        for job in steps.jobs {
            match offline::effects(&self.name, &seen, job, view)? {
                Ok(more) => effects.extend(more),
                Err(decision) => return Ok(decision),
            }
        }
        if effects.is_empty() {
            return Ok(if self.starts() {
                Decision::Skip(format!("{} is {}", self.name, offline::NOT_STARTED))
            } else {
                Decision::InPlace
            });
        }
        steps
            .words
            .extend(self.starts().then(|| offline::NOT_STARTED.to_owned()));
        let action = Action::new(Verb::Update, steps.words.join(", "), effects);
        Ok(Decision::Act(action))
    }

    /// Whether it starts at boot, and can.
    fn judge(&self, unit: &Unit) -> Result<Steps, String> {
        let mut steps = Steps::default();
        let unmasks = self.masked == Some(false) && unit.is_masked();
        if unmasks {
            steps.job(UnitJob::Unmask, "unmask");
        } else if unit.is_masked() && (self.starts() || self.enabled == Some(true)) {
            return Err(format!(
                "{} is masked; `masked = false` unmasks it",
                self.unit()
            ));
        }
        self.judge_enabled(unit, unmasks, &mut steps)
            .map(|()| steps)
    }

    fn judge_enabled(&self, unit: &Unit, unmasks: bool, steps: &mut Steps) -> Result<(), String> {
        match (self.enabled, unit.enabled.as_str()) {
            (Some(true), _) if unit.is_enabled() => {}
            // These have no [Install] section: something else starts them.
            (Some(true), state @ ("static" | "generated" | "transient" | "indirect")) => {
                return Err(format!(
                    "{} cannot be enabled: it is {state}, so that other units decide when it starts",
                    self.unit()
                ));
            }
            (Some(true), _) => steps.job(UnitJob::Enable, "enable"),
            // What it was before it was masked cannot be seen.
            (Some(false), _) if unit.is_enabled() || unmasks => {
                steps.job(UnitJob::Disable, "disable");
            }
            _ => {}
        }
        Ok(())
    }

    fn judge_status(&self, unit: &Unit, steps: &mut Steps) {
        match self.status {
            Some(Status::Started) if !unit.is_running() => {
                steps.job(
                    UnitJob::Start,
                    if unit.condition_failed {
                        "start, though a condition of the unit was not met the last time"
                    } else {
                        "start"
                    },
                );
            }
            Some(Status::Stopped) if !unit.is_stopped() => steps.job(UnitJob::Stop, "stop"),
            Some(Status::Restarted) => steps.job(UnitJob::Restart, "restart"),
            Some(Status::Reloaded) => steps.job(UnitJob::Reload, "reload"),
            _ => return,
        }
        if let Some(time) = self.wait_active {
            let word = format!("then watch it for {} s", time.as_secs());
            steps.job(UnitJob::Watch(time), &word);
        }
    }
}

/// Jobs, and a plan's words for them.
#[derive(Default)]
struct Steps {
    jobs: Vec<UnitJob>,
    words: Vec<String>,
}

impl Steps {
    fn job(&mut self, job: UnitJob, word: &str) {
        self.jobs.push(job);
        self.words.push(word.to_owned());
    }
}
