//! `[[limits]]`: one limit on what users may take, in a file of its own.

use std::fmt;

use serde::Deserialize;

use crate::block::own_file::{self, Judged, OwnFile};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName, GroupName, Mode, UserName};
use crate::number;
use crate::view::View;

/// One limit on what a user's sessions may take, in a file of its own under
/// `/etc/security/limits.d`. It holds for sessions that begin afterwards; services of systemd have
/// their own limits, in their units.
///
/// ```toml
/// [[limits]]
/// domain = "app"
/// type = "soft"
/// item = "nofile"
/// value = 65536
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Whom it concerns: a user such as "app", a group such as "@web", or "*" for all but root.
    domain: Domain,
    /// "hard" for what the user cannot raise, "soft" for what a session begins with, "-" for both.
    #[serde(rename = "type")]
    sort: Sort,
    /// What is limited: "core", "data", "fsize", "memlock", "rss", "stack" and "as" in KiB; "cpu" in
    /// minutes; "nofile" open files; "nproc" processes; "maxlogins" and "maxsyslogins" logins;
    /// "locks" file locks; "sigpending" signals; "msgqueue" bytes; "nice" (-20 to 19), "priority"
    /// (-20 to 19) and "rtprio" priorities; "nonewprivs" (0 or 1).
    item: Item,
    /// A whole number in the item's unit, such as 65536, or "unlimited". Needed unless `absent`.
    value: Option<Value>,
    /// The limit must not be there; false.
    #[serde(default)]
    absent: bool,
}

/// Whose sessions are limited.
#[derive(PartialEq, Eq)]
enum Domain {
    All,
    User(UserName),
    Group(GroupName),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::User(name) => name.fmt(f),
            Self::Group(name) => write!(f, "@{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const RULE: BadName =
            BadName("a domain is a user such as \"app\", a group such as \"@web\", or \"*\"");
        crate::name::deserialize(d, |text| match text.strip_prefix('@') {
            _ if text == "*" => Ok(Self::All),
            Some(group) => GroupName::parse(group).map(Self::Group).map_err(|_| RULE),
            None => UserName::parse(text).map(Self::User).map_err(|_| RULE),
        })
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Soft,
    Hard,
    #[serde(rename = "-")]
    Both,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Item {
    Core,
    Data,
    Fsize,
    Memlock,
    Nofile,
    Rss,
    Stack,
    Cpu,
    Nproc,
    As,
    Maxlogins,
    Maxsyslogins,
    Nonewprivs,
    Priority,
    Locks,
    Sigpending,
    Msgqueue,
    Nice,
    Rtprio,
}

impl Item {
    fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Memlock => "memlock",
            Self::Nofile => "nofile",
            Self::Rss => "rss",
            Self::Stack => "stack",
            Self::Cpu => "cpu",
            Self::Nproc => "nproc",
            Self::As => "as",
            Self::Maxlogins => "maxlogins",
            Self::Maxsyslogins => "maxsyslogins",
            Self::Nonewprivs => "nonewprivs",
            Self::Priority => "priority",
            Self::Locks => "locks",
            Self::Sigpending => "sigpending",
            Self::Msgqueue => "msgqueue",
            Self::Nice => "nice",
            Self::Rtprio => "rtprio",
        }
    }

    /// The least and the greatest number, and whether there may be no limit.
    fn range(self) -> (i64, i64, bool) {
        match self {
            Self::Nice | Self::Priority => (-20, 19, false),
            Self::Nonewprivs => (0, 1, false),
            Self::Rtprio => (0, 99, true),
            _ => (0, i64::MAX, true),
        }
    }
}

enum Value {
    Unlimited,
    Number(i64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "a whole number or \"unlimited\"";
        let number = |number| Ok(Self::Number(number));
        number::or_text(d, EXPECTED, number, |text| match text {
            "unlimited" => Ok(Self::Unlimited),
            text => {
                let number = text.parse().map(Self::Number);
                number.map_err(|_| "a limit is a whole number or \"unlimited\"")
            }
        })
    }
}

impl Kind for Limits {
    const NAME: &'static str = "limits";

    fn primary(&self) -> String {
        format!("{} {} {}", self.domain, self.sort(), self.item.word())
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let (least, most, unlimited) = self.item.range();
        match &self.value {
            None if !self.absent => complain("", "[[limits]] needs `value`".to_owned()),
            Some(Value::Unlimited) if !unlimited => {
                let word = self.item.word();
                complain(
                    "value",
                    format!("`{word}` is {least} to {most}, never unlimited"),
                );
            }
            Some(Value::Number(number)) if !(least..=most).contains(number) => {
                let what = match most {
                    i64::MAX => "a limit is not below 0; \"unlimited\" is no limit".to_owned(),
                    most => format!("`{}` is {least} to {most}", self.item.word()),
                };
                complain("value", what);
            }
            _ => {}
        }
    }

    fn reads(&self) -> Vec<Key> {
        own_file::reads(&self.path())
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let fields = [
            ("domain", self.domain.to_string().into()),
            ("type", self.sort().into()),
            ("item", self.item.word().into()),
        ];
        vec![Holding::of([Key::Path(self.path())]).absent_by("limits", fields)]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let value = self.value.as_ref().filter(|_| !self.absent);
        let file = OwnFile {
            path: self.path(),
            bytes: value.map(|value| {
                let (domain, sort, item) = (&self.domain, self.sort(), self.item.word());
                format!("{domain} {sort} {item} {value}\n").into_bytes()
            }),
            mode: Some(Mode::new(0o644)),
            verify: None,
        };
        let words = value.map(Value::to_string).unwrap_or_default();
        let (verb, effect) = match file.judge(view)? {
            Judged::InPlace => return Ok(Decision::InPlace),
            Judged::Stop(decision) => return Ok(decision),
            Judged::Create(effect) => match view.has_parent(&self.path())? {
                Fate::Is(true) => (Verb::Create, effect),
                Fate::Is(false) => return Ok(Decision::without_parent(&self.path())),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            },
            Judged::Update(effect) => (Verb::Update, effect),
            Judged::Remove(effect) => (Verb::Delete, effect),
        };
        Ok(Decision::Act(Action::new(verb, words, vec![effect])))
    }
}

impl Limits {
    fn sort(&self) -> &'static str {
        match self.sort {
            Sort::Soft => "soft",
            Sort::Hard => "hard",
            Sort::Both => "-",
        }
    }

    /// PAM reads the names that end in `.conf`, in order, and the last one wins: what is said for
    /// both sorts comes before what is said for one.
    fn path(&self) -> AbsPath {
        let domain = match &self.domain {
            Domain::All => "all".to_owned(),
            Domain::User(name) => format!("user-{name}"),
            Domain::Group(name) => format!("group-{name}"),
        };
        let sort = match self.sort {
            Sort::Both => "both",
            Sort::Hard => "hard",
            Sort::Soft => "soft",
        };
        let item = self.item.word();
        let path = format!("/etc/security/limits.d/hpt-{domain}-{item}-{sort}.conf");
        AbsPath::parse(&path).expect("every part is a plain word")
    }
}
