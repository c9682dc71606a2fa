//! pacman, the package manager of Arch.

use super::super::Live;
use super::super::command::{End, Spawn};
use super::super::locks::Lock;
use super::{Manager, Newer, Packages, strings, wanted};
use crate::effect::{Transaction, Want};
use crate::host::{HostError, Package};
use crate::name::{PackageName, PackageVersion};

/// pacman's record: a directory for each package.
const LOCAL: &str = "/var/lib/pacman/local";

/// Its settings, in which `IgnorePkg` names what is on hold.
const SETTINGS: &str = "/etc/pacman.conf";

/// For every call: ask nothing, which answers "no" where something would have to be removed; draw
/// nothing.
const OPTIONS: [&str; 2] = ["--noconfirm", "--noprogressbar"];

/// pacman.
pub(super) struct Pacman;

impl Manager for Pacman {
    fn word(&self) -> &'static str {
        "pacman"
    }

    fn record_files(&self) -> &'static [&'static str] {
        &[LOCAL, SETTINGS]
    }

    fn record(&self, host: &Live) -> Result<Packages, HostError> {
        let mut packages = Packages::default();
        for name in host.names_in(LOCAL)? {
            // What is no package, such as ALPM_DB_VERSION, has no `desc` in it.
            if !name.contains('-') {
                continue;
            }
            let desc = host.read_fixed(&format!("{LOCAL}/{name}/desc"))?;
            if let Some((name, arch, package)) = parse(&String::from_utf8_lossy(&desc)) {
                packages.add(&name, &arch, true, package);
            }
        }
        let settings = host.read_fixed(SETTINGS)?;
        for name in held(&String::from_utf8_lossy(&settings)) {
            packages.set_held(name);
        }
        Ok(packages)
    }

    fn locks(&self) -> &'static [Lock<'static>] {
        &[Lock::Presence("/var/lib/pacman/db.lck")]
    }

    fn lists_are_stale(&self) -> bool {
        let lists = std::fs::read_dir("/var/lib/pacman/sync")
            .into_iter()
            .flatten();
        !lists
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|end| end == "db"))
    }

    fn cannot(&self, transaction: &Transaction) -> Option<String> {
        let mut names = wanted(transaction).map(|want| want.name);
        if let Some(foreign) = names.find(|name| name.as_str().contains(':')) {
            return Some(format!(
                "pacman has packages of one architecture alone, and not {foreign}"
            ));
        }
        let held = transaction.hold.iter().chain(&transaction.unhold).next()?;
        Some(format!(
            "pacman holds {held} by `IgnorePkg` in {SETTINGS} alone; change that line with a block of its own"
        ))
    }

    fn refresh(&self) -> Spawn {
        Spawn {
            timeout: super::LONGEST,
            ..Spawn::tool("pacman", [&["-Sy"], &OPTIONS[..]].concat())
        }
    }

    /// To print a removal is to check it, without its lock.
    fn trial(&self, _: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError> {
        Ok((!wanted.remove.is_empty()).then(|| call(&["-R", "--print"], strings(&wanted.remove))))
    }

    /// What is installed is upgraded by being asked for once more.
    fn change(&self, transaction: &Transaction, _: &Packages) -> Vec<Spawn> {
        let wants: Vec<Want> = wanted(transaction).collect();
        let mut calls = Vec::new();
        if !wants.is_empty() {
            calls.push(call(&["-S", "--needed"], wants.iter().map(super::operand)));
        }
        if !transaction.remove.is_empty() {
            calls.push(call(&["-R"], strings(&transaction.remove)));
        }
        calls
    }

    fn hold(&self, _: &[PackageName], _: &Packages) -> Option<Spawn> {
        None
    }

    fn unhold(&self, _: &[PackageName]) -> Option<Spawn> {
        None
    }

    /// A file that its server no longer has belongs to lists that are too old.
    fn is_unknown(&self, output: &str) -> bool {
        let signs = [
            "error: target not found: ",
            "error: failed retrieving file ",
        ];
        output
            .lines()
            .any(|line| signs.iter().any(|sign| line.starts_with(sign)))
    }

    fn blamed(&self, output: &str) -> Option<String> {
        output.lines().find_map(|line| {
            let name = line
                .strip_prefix("error: target not found: ")
                .map(|target| target.split('=').next().unwrap_or(target))
                .or_else(|| Some(line.strip_prefix(":: removing ")?.split_once(" breaks ")?.0))
                .or_else(|| {
                    Some(
                        line.strip_prefix("error: ")?
                            .split_once(": signature from ")?
                            .0,
                    )
                })
                .or_else(|| {
                    let (both, _) = line.strip_prefix(":: ")?.split_once(" are in conflict")?;
                    both.split(" and ").next()
                })?;
            Some(name.to_owned())
        })
    }

    fn list_files(&self) -> &'static [&'static str] {
        &["/var/lib/pacman/sync", "/etc/pacman.d"]
    }

    fn newer(&self, names: &[PackageName]) -> Spawn {
        Spawn::tool("pacman", super::arguments(&["-Qu"], strings(names)))
    }

    /// It exits with 1 when there is nothing to tell.
    fn newer_versions(&self, end: End, output: &str) -> Option<Newer> {
        matches!(end, End::Exit(0 | 1)).then(|| newer(output))
    }
}

fn call(verb: &[&str], operands: impl IntoIterator<Item = String>) -> Spawn {
    let options = [verb, &OPTIONS[..]].concat();
    Spawn {
        timeout: super::LONGEST,
        ..Spawn::tool("pacman", super::arguments(&options, operands))
    }
}

/// Reads lines such as `nginx 1.24.0-1 -> 1.26.2-1`; what is ignored does not move.
fn newer(output: &str) -> Newer {
    let mut newer = Newer::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, _, "->", version] = words[..]
            && let Ok(version) = PackageVersion::parse(version)
        {
            newer.insert(name.to_owned(), version);
        }
    }
    newer
}

/// Parses a package's `desc`: a line `%FIELD%`, then its value.
fn parse(desc: &str) -> Option<(String, String, Package)> {
    let field = |title: &str| {
        let mut lines = desc.lines().skip_while(|line| *line != title);
        lines.nth(1).filter(|value| !value.is_empty())
    };
    let package = Package {
        version: PackageVersion::parse(field("%VERSION%")?).ok(),
        held: false,
        configured: true,
    };
    let arch = field("%ARCH%").unwrap_or("any");
    Some((field("%NAME%")?.to_owned(), arch.to_owned(), package))
}

/// The names of `IgnorePkg` lines.
fn held(settings: &str) -> impl Iterator<Item = &str> {
    settings
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| key.trim() == "IgnorePkg")
        .flat_map(|(_, names)| names.split_whitespace())
}
