//! `[[sudoers]]`: a file of rules in `/etc/sudoers.d`.

use serde::Deserialize;

use crate::block::one_line::OneLine;
use crate::block::own_file::{Judged, PlainName};
use crate::block::{Action, Decision, Holding, Kind, Verb, sudo};
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName, is_hidden};
use crate::view::View;

/// A file of rules in `/etc/sudoers.d`, for root and with mode 0440: exactly these rules. `visudo -c`
/// must accept it before sudo can see it, so that a wrong rule locks nobody out.
///
/// ```toml
/// [[sudoers]]
/// name = "deploy"
/// rules = ["deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart app"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sudoers {
    /// The file's name in `/etc/sudoers.d`, such as "deploy": 1 to 64 of letters, digits, `_` and
    /// `-`. The names `hpt-user-...` and `hpt-group-...` belong to the blocks of users and groups.
    #[serde(deserialize_with = "file_name")]
    name: PlainName,
    /// The rules, each one line as `man sudoers` has it, such as
    /// `["deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart app"]`. None may include another
    /// file or go on in the next line. Needed unless `absent`.
    #[serde(default)]
    rules: Vec<Rule>,
    /// The file must not be there; false.
    #[serde(default)]
    absent: bool,
}

/// One line of a sudoers file that stands for itself.
struct Rule(OneLine);

/// A rule as a line: it stands for itself, and reads as it is meant.
pub(super) fn parse_rule(text: &str) -> Result<OneLine, BadName> {
    let line = OneLine::parse(text)?;
    let text = text.trim();
    if ["#include", "@include"]
        .iter()
        .any(|word| text.starts_with(word))
    {
        return Err(BadName(
            "a rule includes no other file; write its `rules` here",
        ));
    }
    if text.ends_with('\\') {
        return Err(BadName(
            "a rule is one line, and does not end in a backslash",
        ));
    }
    if text.chars().any(|c| c != '\t' && is_hidden(c)) {
        return Err(BadName("a rule holds no hidden characters"));
    }
    Ok(line)
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| parse_rule(text).map(Self))
    }
}

fn file_name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<PlainName, D::Error> {
    crate::name::deserialize(d, |text| {
        let name = PlainName::parse(text)?;
        if ["hpt-user-", "hpt-group-"]
            .iter()
            .any(|word| text.starts_with(word))
        {
            return Err(BadName(
                "this file belongs to a [[user]] or [[group]] block; use its `sudo` field",
            ));
        }
        Ok(name)
    })
}

impl Kind for Sudoers {
    const NAME: &'static str = "sudoers";

    fn primary(&self) -> String {
        self.name.as_str().to_owned()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.absent && !self.rules.is_empty() {
            complain("absent", "an absent file has no `rules`".to_owned());
        }
        if !self.absent && self.rules.is_empty() {
            complain("rules", "[[sudoers]] needs `rules`".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        sudo::reads(&self.path()).to_vec()
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.as_str().into());
        vec![Holding::of([Key::Path(self.path())]).absent_by("sudoers", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let rules: Vec<String> = self.rules.iter().map(|r| r.0.as_str().to_owned()).collect();
        let words = match rules.len() {
            1 => "1 rule".to_owned(),
            count => format!("{count} rules"),
        };
        let (verb, words, effect) = match sudo::judge(&self.path(), &rules, view)? {
            Judged::InPlace => return Ok(Decision::InPlace),
            Judged::Stop(decision) => return Ok(decision),
            Judged::Create(effect) => (Verb::Create, words, effect),
            Judged::Update(effect) => (Verb::Update, words, effect),
            Judged::Remove(effect) => (Verb::Delete, String::new(), effect),
        };
        Ok(Decision::Act(Action::new(verb, words, vec![effect])))
    }
}

impl Sudoers {
    fn path(&self) -> AbsPath {
        self.name.within("/etc/sudoers.d")
    }
}
