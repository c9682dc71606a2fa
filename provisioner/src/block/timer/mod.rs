//! `[[timer]]`: a command that runs at set times, as a timer and a service of systemd.

mod calendar;
mod command;

use std::time::Duration;

use serde::Deserialize;

pub(super) use self::calendar::Calendar;
pub(super) use self::command::CommandLine;
use crate::block::own_file::{OwnFile, Placed};
use crate::block::unit::place;
use crate::block::unit::state::{self, Wanted};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::{HostError, Key};
use crate::name::{BadName, UnitName, UserName};
use crate::unit_file;
use crate::view::View;

/// A longer wait is a mistake in the unit of time.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A command that runs at set times: `NAME.timer` and `NAME.service` in `/etc/systemd/system`. The
/// timer is enabled and started. What the command writes is in the journal of `NAME.service`.
///
/// ```toml
/// [[timer]]
/// name = "app-backup"
/// on_calendar = "03:15"
/// persistent = true
/// user = "app"
/// command = "/opt/app/bin/backup"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// The name of both units, such as `"app-backup"`, at most 200 characters.
    #[serde(deserialize_with = "stem")]
    name: String,
    /// When it runs, as a calendar expression of systemd: "03:15", "daily", "Mon..Fri 18:00",
    /// "*-*-01 04:00 UTC". `systemd-analyze calendar` must accept it, or no timer is made.
    on_calendar: Option<Calendar>,
    /// How long after a boot it runs, in seconds or such as "90s", "15m", "2h"; at most 366 days. A
    /// timer that is made later than that after the boot runs at once.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    on_boot: Option<Duration>,
    /// Whether a run that was missed while the host was off is made up for after the next boot;
    /// false. It goes with `on_calendar`.
    #[serde(default)]
    persistent: bool,
    /// Each run waits a random time up to this, in seconds or such as "90s", "15m", "2h"; none.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    randomized_delay: Option<Duration>,
    /// What runs: a program's absolute path and its arguments. Quotes hold words together, `%` and
    /// `$` mean themselves, and no shell runs it; "/bin/sh -c '...'" does.
    command: Option<CommandLine>,
    /// The user who runs it, such as `"app"`; root.
    user: Option<UserName>,
    /// Neither unit must be there: the timer is stopped and disabled, and both files go; false.
    #[serde(default)]
    absent: bool,
}

fn stem<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    crate::name::deserialize(d, |text| {
        let stem = text.strip_suffix(".timer").unwrap_or(text);
        if stem.contains('@') || stem.len() > 200 {
            return Err(BadName(
                "a timer's name is at most 200 characters, without `@`",
            ));
        }
        UnitName::parse(&format!("{stem}.timer")).map(|_| stem.to_owned())
    })
}

impl Kind for Timer {
    const NAME: &'static str = "timer";

    fn primary(&self) -> String {
        self.name.clone()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.absent {
            return;
        }
        if self.command.is_none() {
            complain("", "[[timer]] needs `command`".to_owned());
        }
        if self.on_calendar.is_none() && self.on_boot.is_none() {
            complain("", "[[timer]] needs `on_calendar` or `on_boot`".to_owned());
        }
        if self.persistent && self.on_calendar.is_none() {
            complain(
                "persistent",
                "`persistent` goes with `on_calendar`".to_owned(),
            );
        }
        for (key, time) in [
            ("on_boot", self.on_boot),
            ("randomized_delay", self.randomized_delay),
        ] {
            if time.is_some_and(|time| time > LONGEST) {
                complain(key, format!("`{key}` is at most 366 days"));
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        let paths = [self.timer(), self.service()].map(|unit| unit_file::path_of(&unit));
        let files = paths
            .into_iter()
            .flat_map(|path| [Key::Path(path.clone()), Key::Content(path)]);
        let mut keys: Vec<Key> = files.collect();
        keys.push(Key::Unit(self.timer().into()));
        keys.extend(self.user.clone().map(Key::User));
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.as_str().into());
        vec![self.holding().absent_by("timer", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if self.absent {
            return self.removal(view);
        }
        if let Some(other) = Decision::without_accounts(self.user.as_ref(), None, view)? {
            return Ok(other);
        }
        let timer = self.timer();
        let text = self.timer_text();
        // The timer first: a calendar expression that systemd refuses leaves nothing behind.
        let files = [
            (&timer, text.clone(), self.calendar_check(view)?),
            (&self.service(), self.service_text(), None),
        ];
        let mut effects = Vec::new();
        let mut verbs = Vec::new();
        for (unit, text, check) in files {
            let file = OwnFile {
                verify: check,
                ..OwnFile::public(&unit_file::path_of(unit), text)
            };
            match file.place(view)? {
                Placed::InPlace => {}
                Placed::Stop(decision) => return Ok(decision),
                Placed::Act(verb, more) => {
                    effects.extend(more);
                    verbs.push(verb);
                }
            }
        }
        let written = !verbs.is_empty();
        let wanted = Wanted {
            enabled: Some(true),
            active: Some(true),
            written: effects
                .iter()
                .any(|e| e.path() == Some(&unit_file::path_of(&timer)))
                .then_some(text.as_str()),
            moves: false,
            restart: written,
        };
        let steps = match state::judge(&timer, &wanted, view)? {
            Ok(steps) => steps,
            Err(decision) => return Ok(decision),
        };
        effects.extend(steps.effects);
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        let created = verbs.contains(&Verb::Create);
        let verb = if created { Verb::Create } else { Verb::Update };
        let mut words = vec![if created {
            self.when()
        } else {
            "content".to_owned()
        }];
        words.retain(|_| written);
        words.extend(steps.words.into_iter().map(ToOwned::to_owned));
        Ok(Decision::Act(Action::new(verb, words.join(", "), effects)))
    }
}

impl Timer {
    /// Its two files and what they are to systemd.
    pub(super) fn holding(&self) -> Holding {
        let files = [self.timer(), self.service()].map(|unit| Key::Path(unit_file::path_of(&unit)));
        let unit = Key::Unit(self.timer().into());
        Holding::of(files.into_iter().chain([unit]))
    }

    /// A command that runs once, also if the host is off at the time.
    pub(super) fn once(
        name: &str,
        time: Option<Calendar>,
        command: Option<CommandLine>,
        user: Option<UserName>,
        absent: bool,
    ) -> Self {
        Self {
            name: name.to_owned(),
            on_calendar: time,
            on_boot: None,
            persistent: true,
            randomized_delay: None,
            command,
            user,
            absent,
        }
    }

    fn unit(&self, kind: &str) -> UnitName {
        UnitName::parse(&format!("{}.{kind}", self.name)).expect("checked when it was read")
    }

    fn timer(&self) -> UnitName {
        self.unit("timer")
    }

    fn service(&self) -> UnitName {
        self.unit("service")
    }

    /// For a plan's line: "03:15", "2h after boot".
    fn when(&self) -> String {
        let calendar = self
            .on_calendar
            .as_ref()
            .map(|time| time.as_str().to_owned());
        let boot = self
            .on_boot
            .map(|time| format!("{} s after boot", time.as_secs()));
        calendar
            .into_iter()
            .chain(boot)
            .collect::<Vec<_>>()
            .join(" and ")
    }

    fn timer_text(&self) -> String {
        let mut text = format!(
            "[Unit]\nDescription=When {} runs\n\n[Timer]\n",
            self.service()
        );
        let calendar = self.on_calendar.as_ref();
        let lines = [
            calendar.map(|time| format!("OnCalendar={}\n", time.as_str())),
            self.on_boot
                .map(|time| format!("OnBootSec={}\n", time.as_secs())),
            self.persistent.then(|| "Persistent=true\n".to_owned()),
            self.randomized_delay
                .map(|time| format!("RandomizedDelaySec={}\n", time.as_secs())),
        ];
        text.extend(lines.into_iter().flatten());
        text + "\n[Install]\nWantedBy=timers.target\n"
    }

    fn service_text(&self) -> String {
        let user = self
            .user
            .as_ref()
            .map_or_else(String::new, |user| format!("User={user}\n"));
        let command = self
            .command
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let name = &self.name;
        format!(
            "[Unit]\nDescription=What {name}.timer runs\n\n[Service]\nType=oneshot\n{user}ExecStart={command}\n"
        )
    }

    fn calendar_check(&self, view: &View<'_>) -> Result<Option<Vec<String>>, HostError> {
        let Some(time) = self.on_calendar.as_ref().filter(|_| view.powers().exec) else {
            return Ok(None);
        };
        let words = [place::ANALYZE, "calendar", "--", time.as_str()];
        let words = words.map(ToOwned::to_owned).to_vec();
        Ok(place::can_analyze(view)?.then_some(words))
    }

    fn removal(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let timer = self.timer();
        let mut files = Vec::new();
        for unit in [&timer, &self.service()] {
            match place::remove(&unit_file::path_of(unit), view)? {
                Ok(file) => files.extend(file),
                Err(decision) => return Ok(decision),
            }
        }
        if files.is_empty() {
            return Ok(Decision::InPlace);
        }
        let steps = match state::end(&timer, view)? {
            Ok(steps) => steps,
            Err(decision) => return Ok(decision),
        };
        let mut effects = steps.effects;
        effects.extend(files);
        Ok(Decision::Act(Action::new(
            Verb::Delete,
            steps.words.join(", "),
            effects,
        )))
    }
}
