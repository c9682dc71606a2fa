//! `[[cron]]`: a command that cron runs, in a file of its own.

use serde::Deserialize;

use crate::block::one_line::OneLine;
use crate::block::own_file::{self, Judged, OwnFile, PlainName};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName, Mode, UserName};
use crate::view::View;

/// A command that cron runs as a user, in a file of its own in `/etc/cron.d`. It runs in `/bin/sh`
/// with the usual PATH of root; where cron is not installed, the block is blocked.
///
/// ```toml
/// [[cron]]
/// name = "backup"
/// spec = "15 3 * * *"
/// command = "/usr/local/bin/backup --quiet"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The file's name in `/etc/cron.d`, such as "backup": 1 to 64 of letters, digits, `_` and `-`.
    name: PlainName,
    /// The user who runs it; "root".
    #[serde(default = "root")]
    user: UserName,
    /// When it runs, in the host's time zone: minute (0-59), hour (0-23), day of the month (1-31),
    /// month (1-12 or jan-dec) and day of the week (0-7 or sun-sat), such as "15 3 * * mon-fri" or
    /// "*/10 * * * *"; or one of "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@reboot".
    /// Needed unless `absent`.
    spec: Option<Spec>,
    /// What it runs, one line for `/bin/sh`, such as "/usr/local/bin/backup --quiet". A `%` is
    /// written plainly: hpt escapes it, so that cron does not take it for a line break. Needed
    /// unless `absent`.
    command: Option<Command>,
    /// The file must not be there; false.
    #[serde(default)]
    absent: bool,
}

fn root() -> UserName {
    UserName::parse("root").expect("a plain name")
}

/// A time as cron reads it, its words parted by one space.
struct Spec(String);

/// The fields of a time: name, least, greatest, names from the least on.
const FIELDS: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (
        1,
        12,
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    ),
    (0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

const NICKNAMES: [&str; 8] = [
    "@reboot",
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

impl Spec {
    fn parse(text: &str) -> Result<Self, BadName> {
        if NICKNAMES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let words: Vec<&str> = text.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
        if text.starts_with('@') {
            return Err(BadName(
                "a time by name is @hourly, @daily, @weekly, @monthly, @yearly or @reboot",
            ));
        }
        if words.len() != FIELDS.len() {
            return Err(BadName(
                "a time is five fields: minute, hour, day of the month, month, day of the week",
            ));
        }
        let wrong = [
            "the minute of a time is `*`, 0 to 59, a range such as 0-29, a step such as */10, or a list of them",
            "the hour of a time is `*`, 0 to 23, a range such as 8-18, a step such as */2, or a list of them",
            "the day of the month is `*`, 1 to 31, a range such as 1-7, a step such as */2, or a list of them",
            "the month is `*`, 1 to 12 or jan to dec, a range, a step such as */3, or a list of them",
            "the day of the week is `*`, 0 to 7 or sun to sat, a range such as mon-fri, a step, or a list of them",
        ];
        for ((word, field), wrong) in words.iter().zip(FIELDS).zip(wrong) {
            if !word.split(',').all(|part| is_part(part, field)) {
                return Err(BadName(wrong));
            }
        }
        Ok(Self(words.join(" ")))
    }
}

/// One part of a list: `*`, `5`, `1-5`, each but a single number with `/STEP` or without.
fn is_part(part: &str, (least, most, words): (u32, u32, &[&str])) -> bool {
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let value = |text: &str| {
        let at = words
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        let named = at
            .and_then(|at| u32::try_from(at).ok())
            .map(|at| at + least);
        named.or_else(|| number(text).filter(|n| (least..=most).contains(n)))
    };
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let single = |text| step.is_none() && value(text).is_some();
    let ends = |(from, to)| matches!((value(from), value(to)), (Some(a), Some(b)) if a <= b);
    let is_range = range == "*" || range.split_once('-').map_or_else(|| single(range), ends);
    is_range && step.is_none_or(|step| number(step).is_some_and(|n: u32| (1..=most).contains(&n)))
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}

/// A command as its writer means it, without cron's escapes.
struct Command(OneLine);

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            // What cron makes of `\\%` differs from one cron to the next.
            if text.contains("\\%") {
                return Err(BadName(
                    "a `%` is written without a backslash here; hpt escapes it for cron",
                ));
            }
            // The longest command that Debian's cron takes is 998 bytes.
            if text.len() + text.matches('%').count() > 990 {
                return Err(BadName(
                    "cron takes no command of more than 990 bytes; put it into a script",
                ));
            }
            OneLine::parse(text.trim()).map(Self)
        })
    }
}

impl Kind for Cron {
    const NAME: &'static str = "cron";

    fn primary(&self) -> String {
        self.name.as_str().to_owned()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        for (key, given) in [
            ("spec", self.spec.is_some()),
            ("command", self.command.is_some()),
        ] {
            if self.absent && given {
                complain("absent", format!("an absent file has no `{key}`"));
            }
            if !self.absent && !given {
                complain("", format!("[[cron]] needs `{key}`"));
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = own_file::reads(&self.path());
        keys.push(Key::User(self.user.clone()));
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.as_str().into());
        vec![Holding::of([Key::Path(self.path())]).absent_by("cron", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !self.absent
            && let Some(other) = Decision::without_accounts(Some(&self.user), None, view)?
        {
            return Ok(other);
        }
        let file = OwnFile {
            path: self.path(),
            bytes: self.text().map(String::into_bytes),
            mode: Some(Mode::new(0o644)),
            verify: None,
        };
        let (verb, effect) = match file.judge(view)? {
            Judged::InPlace => return Ok(Decision::InPlace),
            Judged::Stop(decision) => return Ok(decision),
            Judged::Create(effect) => match view.has_parent(&self.path())? {
                Fate::Is(true) => (Verb::Create, effect),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(false) => {
                    let why = "cron is not installed on this host: there is no /etc/cron.d; add its package before this block";
                    return Ok(Decision::Blocked(why.to_owned()));
                }
            },
            Judged::Update(effect) => (Verb::Update, effect),
            Judged::Remove(effect) => (Verb::Delete, effect),
        };
        let spec = self.spec.as_ref().map_or("", |spec| &spec.0);
        Ok(Decision::Act(Action::new(verb, spec, vec![effect])))
    }
}

impl Cron {
    fn path(&self) -> AbsPath {
        self.name.within("/etc/cron.d")
    }

    fn text(&self) -> Option<String> {
        let (Some(spec), Some(Command(command))) = (&self.spec, &self.command) else {
            return None;
        };
        let command = command.as_str().replace('%', "\\%");
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let (spec, user) = (&spec.0, &self.user);
        Some(format!(
            "SHELL=/bin/sh\nPATH={path}\n{spec} {user} {command}\n"
        ))
        .filter(|_| !self.absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_every_cron_reads() {
        for good in [
            "* * * * *",
            "*/10 0-6/2 1,15 jan-Mar mon-fri",
            "0 3  * * 7",
            "@daily",
            "5\t4 * * sun",
        ] {
            assert!(Spec::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "1, * * * *",
            "5/2 * * * *",
            "-1 * * * *",
            "* * * foo *",
            "@every",
            "@daily x",
            "*\n* * * *",
            "* * * * *\nroot",
            "H * * * *",
            "L * * * *",
            "+1 * * * *",
            "٣ * * * *",
        ] {
            assert!(Spec::parse(bad).is_err(), "{bad:?}");
        }
    }
}
