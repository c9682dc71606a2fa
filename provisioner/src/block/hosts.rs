//! `[[hosts]]`: names of an address in `/etc/hosts`.

use std::cell::Cell;
use std::net::IpAddr;

use serde::Deserialize;

use crate::block::text_file::{self, Edit, Lines, Missing};
use crate::block::{Decision, Holding, Kind};
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName};
use crate::view::View;

/// Names of an address in `/etc/hosts`. All else in the file stays, but for these names at other
/// addresses of the same family: a name has one.
///
/// ```toml
/// [[hosts]]
/// ip = "10.0.0.5"
/// names = ["db.example.org", "db"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    /// The address, such as `"10.0.0.5"` or `"fd00::5"`.
    ip: Address,
    /// Its names, the full one first, such as `["db.example.org", "db"]`. They are put to the line
    /// that has one of them already, before its other names, or to a new line. With `absent` and
    /// without names, all lines of the address go.
    #[serde(default)]
    names: Vec<HostName>,
    /// The address must not have these names; false.
    #[serde(default)]
    absent: bool,
}

#[derive(PartialEq, Eq)]
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const RULE: BadName = BadName("an address is one such as \"10.0.0.5\" or \"fd00::5\"");
        crate::name::deserialize(d, |text| text.parse().map(Self).map_err(|_| RULE))
    }
}

/// A host's name: labels of letters, digits, `-` and `_`, parted by dots, at most 253 bytes.
struct HostName(String);

impl HostName {
    fn parse(text: &str) -> Result<Self, BadName> {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(good)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let address = text.parse::<IpAddr>().is_ok();
        if text.len() <= 253 && text.split('.').all(label) && !address {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName(
            "a host's name is letters, digits, `-` and `_`, in parts of 1 to 63 with dots between",
        ))
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, Self::parse)
    }
}

impl Kind for Hosts {
    const NAME: &'static str = "hosts";

    fn primary(&self) -> String {
        match self.names.first() {
            Some(name) => format!("{} {}", self.ip.0, name.0),
            None => self.ip.0.to_string(),
        }
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.names.is_empty() && !self.absent {
            complain("names", "[[hosts]] needs `names`".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        text_file::reads(&path())
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let names: Vec<&str> = self.names.iter().map(|name| name.0.as_str()).collect();
        let part = format!("{} {}", self.ip.0, names.join(" "));
        let ip = ("ip", self.ip.0.to_string().into());
        let holding = Holding::of([Key::Path(path())]).part(part);
        vec![holding.absent_by("hosts", [ip, ("names", names.into())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let names: Vec<&str> = self.names.iter().map(|name| name.0.as_str()).collect();
        let (missing, summary) = if self.absent {
            (Missing::InPlace, format!("no {}", names.join(" ")))
        } else {
            (Missing::Create, names.join(" "))
        };
        let summary = summary.trim_end().to_owned();
        let edit = Edit {
            path: &path(),
            missing,
            summary,
            secret: false,
        };
        let adds = Cell::new(false);
        let decision = text_file::edit(edit, view, |old| {
            adds.set(self.is_new_in(old));
            Ok(self.edited(old))
        })?;
        Ok(decision.adding(adds.get()))
    }
}

fn path() -> AbsPath {
    AbsPath::parse("/etc/hosts").expect("a plain path")
}

/// A line of the file that gives an address names.
struct Entry<'a> {
    /// As it is written.
    address: &'a str,
    ip: IpAddr,
    names: Vec<&'a str>,
    /// From the `#` on.
    comment: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (words, comment) = line.split_at(line.find('#').unwrap_or(line.len()));
        let mut words = words.split_whitespace();
        let address = words.next()?;
        Some(Self {
            address,
            ip: address.parse().ok()?,
            names: words.collect(),
            comment,
        })
    }

    fn line(&self, names: &[&str]) -> String {
        let gap = if self.comment.is_empty() { "" } else { " " };
        format!("{}\t{}{gap}{}", self.address, names.join(" "), self.comment)
    }
}

impl Hosts {
    fn is(&self, name: &str) -> bool {
        self.names.iter().any(|m| m.0.eq_ignore_ascii_case(name))
    }

    /// Whether no address has any of the names.
    fn is_new_in(&self, old: &str) -> bool {
        let mut entries = old.lines().filter_map(Entry::parse);
        !entries.any(|entry| entry.names.iter().any(|name| self.is(name)))
    }

    fn edited(&self, old: &str) -> String {
        let mut lines = Lines::of(old);
        let mine = |name: &str| self.is(name);
        let has_mine = |line: &str| {
            let entry = Entry::parse(line).filter(|entry| entry.ip == self.ip.0);
            entry.is_some_and(|entry| entry.names.iter().any(|name| mine(name)))
        };
        let kept = if self.absent {
            None
        } else {
            lines.iter().position(has_mine)
        };
        for at in (0..lines.len()).rev() {
            let Some(entry) = Entry::parse(lines.get(at)) else {
                continue;
            };
            let concerned = if self.absent {
                entry.ip == self.ip.0
            } else {
                entry.ip.is_ipv4() == self.ip.0.is_ipv4()
            };
            let others = entry.names.iter().copied().filter(|name| !mine(name));
            let names: Vec<&str> = if kept == Some(at) {
                self.names
                    .iter()
                    .map(|m| m.0.as_str())
                    .chain(others)
                    .collect()
            } else if concerned {
                others.collect()
            } else {
                continue;
            };
            if names.is_empty() || (self.absent && self.names.is_empty()) {
                lines.remove(at);
            } else if names != entry.names {
                let line = entry.line(&names);
                lines.set(at, &line);
            }
        }
        if kept.is_none() && !self.absent {
            let names: Vec<&str> = self.names.iter().map(|m| m.0.as_str()).collect();
            lines.insert(lines.len(), &format!("{}\t{}", self.ip.0, names.join(" ")));
        }
        lines.join()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, old: &str) -> String {
        let block: Hosts = toml::from_str(text).unwrap();
        let new = block.edited(old);
        assert_eq!(block.edited(&new), new, "{text}");
        new
    }

    const DB: &str = "ip = '10.0.0.5'\nnames = ['db.example.org', 'db']\n";

    #[test]
    fn names_are_put_to_their_address_and_to_no_other() {
        assert_eq!(edited(DB, ""), "10.0.0.5\tdb.example.org db\n");
        let there = "# hosts\n10.0.0.5  db.example.org db # ours\n";
        assert_eq!(edited(DB, there), there);
        let moved = "10.0.0.4 db old\nfd00::4 db\n10.0.0.5 web\n";
        let new = "10.0.0.4\told\nfd00::4 db\n10.0.0.5 web\n10.0.0.5\tdb.example.org db\n";
        assert_eq!(edited(DB, moved), new);
        assert_eq!(edited(DB, "10.0.0.4 DB\n"), "10.0.0.5\tdb.example.org db\n");
        assert_eq!(
            edited(DB, "10.0.0.5 x db # y\n10.0.0.5 db"),
            "10.0.0.5\tdb.example.org db x # y\n"
        );
    }

    #[test]
    fn names_are_taken_from_an_address() {
        let old = "127.0.0.1 localhost\n10.0.0.5 db.example.org web db\n10.0.0.5 x\n";
        assert_eq!(
            edited(&format!("{DB}absent = true\n"), old),
            "127.0.0.1 localhost\n10.0.0.5\tweb\n10.0.0.5 x\n"
        );
        let all = "ip = '10.0.0.5'\nabsent = true\n";
        assert_eq!(edited(all, old), "127.0.0.1 localhost\n");
    }
}
