//! `[[at]]`: a command that runs once, at a set time.

use serde::Deserialize;

use crate::block::own_file::PlainName;
use crate::block::timer::{Calendar, CommandLine, Timer};
use crate::block::{Decision, Holding, Kind};
use crate::host::{HostError, Key};
use crate::name::{self, BadName, Day, UserName};
use crate::view::View;

/// A command that runs once, at a set time, as a timer and a service of systemd: `NAME.timer` and
/// `NAME.service` in `/etc/systemd/system`. Where the host is off at that time, it runs after the next
/// boot. Both units stay when it has run, so that it is in place and not run again; another `spec`
/// makes it run another time. A time that has passed already when the block acts never comes.
///
/// ```toml
/// [[at]]
/// name = "migrate-2026"
/// spec = "2026-12-24 03:00"
/// command = "/opt/app/bin/migrate --all"
/// user = "app"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The name of the job and of both units, such as "migrate-2026": 1 to 64 of letters, digits, `_`
    /// and `-`.
    name: PlainName,
    /// When it runs, such as "2026-12-24 03:00" or "2026-12-24 03:00:30 UTC", in the host's time zone
    /// unless one is named. Needed unless `absent`.
    spec: Option<Moment>,
    /// What runs: a program's absolute path and its arguments. Quotes hold words together, `%` and
    /// `$` mean themselves, and no shell runs it; "/bin/sh -c '...'" does. Needed unless `absent`.
    command: Option<CommandLine>,
    /// The user who runs it, such as `"app"`; root.
    user: Option<UserName>,
    /// Neither unit must be there: a job that has not run is called off; false.
    #[serde(default)]
    absent: bool,
}

/// One moment, as systemd reads it.
struct Moment(Calendar);

impl Moment {
    fn parse(text: &str) -> Result<Self, BadName> {
        const WRONG: &str = "a moment is a day and a time, such as \"2026-12-24 03:00\" or \"2026-12-24 03:00:30 UTC\"";
        let mut words = text.splitn(3, ' ');
        let (day, time) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        Day::parse(day).map_err(|_| BadName(WRONG))?;
        let time = numbers(time, ':', &[2, 2, 2])
            .or_else(|| numbers(time, ':', &[2, 2]))
            .ok_or(BadName(WRONG))?;
        let is_time = time[0] < 24 && time[1..].iter().all(|part| *part < 60);
        if !is_time {
            return Err(BadName(WRONG));
        }
        Calendar::parse(text).map(Self).map_err(|_| BadName(WRONG))
    }
}

/// Numbers of so many digits each, with `between` between them.
fn numbers(text: &str, between: char, widths: &[usize]) -> Option<Vec<u32>> {
    let parts: Vec<&str> = text.split(between).collect();
    let fits = |(part, width): (&&str, &usize)| {
        part.len() == *width && part.bytes().all(|c| c.is_ascii_digit())
    };
    if parts.len() != widths.len() || !parts.iter().zip(widths).all(fits) {
        return None;
    }
    parts.iter().map(|part| part.parse().ok()).collect()
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        name::deserialize(d, Self::parse)
    }
}

impl Kind for At {
    const NAME: &'static str = "at";

    fn primary(&self) -> String {
        self.name.as_str().to_owned()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        for (key, given) in [
            ("spec", self.spec.is_some()),
            ("command", self.command.is_some()),
        ] {
            if !given && !self.absent {
                complain("", format!("[[at]] needs `{key}`"));
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        self.timer().reads()
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.as_str().into());
        vec![self.timer().holding().absent_by("at", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        self.timer().decide(view)
    }
}

impl At {
    /// The timer that runs it.
    fn timer(&self) -> Timer {
        Timer::once(
            self.name.as_str(),
            self.spec.as_ref().map(|Moment(time)| time.clone()),
            self.command.clone(),
            self.user.clone(),
            self.absent,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_and_no_more() {
        for good in [
            "2026-12-24 03:00",
            "2028-02-29 23:59:59",
            "2026-12-24 03:00 UTC",
            "2026-12-24 03:00:30 Europe/Berlin",
        ] {
            assert!(Moment::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "03:00",
            "2026-12-24",
            "tomorrow",
            "now + 2 hours",
            "daily",
            "*-12-24 03:00",
            "2026-*-24 03:00",
            "2026-12-24 *:00",
            "2026-12-24 03:00/5",
            "2026-12-24,25 03:00",
            "2026-12-24..26 03:00",
            "2026-02-29 03:00",
            "2026-13-01 03:00",
            "2026-04-31 03:00",
            "1969-01-01 03:00",
            "2026-12-24 24:00",
            "2026-12-24 03:60",
            "2026-12-24  03:00",
            "2026-12-24 03:00 ",
            "2026-12-24 03:00 a;b",
            "2026-12-24T03:00",
            "2026-12-24 3:00",
            "24.12.2026 03:00",
            "٢٠٢٦-12-24 03:00",
        ] {
            assert!(Moment::parse(bad).is_err(), "{bad}");
        }
    }
}
