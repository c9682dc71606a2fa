//! apk, the package manager of Alpine.

use super::super::Live;
use super::super::command::{End, Spawn};
use super::super::locks::Lock;
use super::{Foreseen, Manager, Newer, Packages, strings, wanted};
use crate::effect::{Transaction, Want};
use crate::host::{HostError, Package};
use crate::name::{PackageName, PackageVersion};

/// Where apk keeps its record: version 2, and 3 with a merged `/usr`.
const INSTALLED: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// What is asked for, by name; a name with a version is on hold.
const WORLD: &str = "/etc/apk/world";

/// For every call: wait for whoever holds the lock, draw nothing.
const OPTIONS: [&str; 3] = ["--wait", "120", "--no-progress"];

/// apk. It removes along with a package what nothing else needs and nobody asked for: its list of
/// what is asked for knows no other way.
pub(super) struct Apk;

impl Manager for Apk {
    fn word(&self) -> &'static str {
        "apk"
    }

    fn record_files(&self) -> &'static [&'static str] {
        &["/lib/apk/db/installed", "/usr/lib/apk/db/installed", WORLD]
    }

    fn record(&self, host: &Live) -> Result<Packages, HostError> {
        let mut packages = Packages::default();
        for path in INSTALLED {
            let record = host.read_fixed(path)?;
            if !record.is_empty() {
                packages = parse(&String::from_utf8_lossy(&record));
                break;
            }
        }
        let world = host.read_fixed(WORLD)?;
        for word in String::from_utf8_lossy(&world).split_whitespace() {
            if let Some((name, _version)) = word.split_once('=')
                && !name.ends_with(['<', '>', '~'])
            {
                packages.set_held(name);
            }
        }
        Ok(packages)
    }

    fn locks(&self) -> &'static [Lock<'static>] {
        &[
            Lock::Whole("/lib/apk/db/lock"),
            Lock::Whole("/usr/lib/apk/db/lock"),
        ]
    }

    fn cannot(&self, transaction: &Transaction) -> Option<String> {
        let mut names = wanted(transaction).map(|want| want.name);
        let foreign = names.find(|name| name.as_str().contains(':'))?;
        Some(format!(
            "apk has packages of one architecture alone, and not {foreign}"
        ))
    }

    fn refresh(&self) -> Spawn {
        Spawn {
            timeout: super::LONGEST,
            ..Spawn::tool("apk", [&OPTIONS[..], &["update"]].concat())
        }
    }

    fn simulate(&self, transaction: &Transaction) -> Option<Spawn> {
        let wants: Vec<Want> = wanted(transaction).collect();
        let upgrade: &[&str] = if transaction.upgrade.is_empty() {
            &[]
        } else {
            &["--upgrade"]
        };
        let verb = [&["add", "--simulate"], upgrade].concat();
        (!wants.is_empty()).then(|| call(&verb, wants.iter().map(super::operand)))
    }

    fn trial(&self, _: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError> {
        Ok((!wanted.remove.is_empty())
            .then(|| call(&["del", "--simulate"], strings(&wanted.remove))))
    }

    /// Reads lines such as `(1/3) Purging oldlib (1.0-r0)`.
    fn foreseen(&self, output: &str) -> Foreseen {
        let mut foreseen = Foreseen::default();
        for line in output.lines() {
            let mut words = line.split(' ').skip(1);
            match (words.next(), words.next()) {
                (Some("Installing" | "Upgrading" | "Downgrading"), Some(name)) => {
                    foreseen.installed.push(name.to_owned());
                }
                (Some("Purging"), Some(name)) => foreseen.removed.push(name.to_owned()),
                _ => {}
            }
        }
        foreseen
    }

    fn change(&self, transaction: &Transaction, _: &Packages) -> Vec<Spawn> {
        let mut calls = Vec::new();
        if !transaction.install.is_empty() {
            calls.push(call(
                &["add"],
                transaction.install.iter().map(super::operand),
            ));
        }
        if !transaction.upgrade.is_empty() {
            calls.push(call(&["add", "--upgrade"], strings(&transaction.upgrade)));
        }
        if !transaction.remove.is_empty() {
            calls.push(call(&["del"], strings(&transaction.remove)));
        }
        calls
    }

    /// A package that others need stays, and apk is content with that.
    fn worked(&self, end: End, output: &str) -> bool {
        end == End::Exit(0) && !output.contains(NOT_REMOVED)
    }

    /// A name that is asked for with its version stays at that.
    fn hold(&self, names: &[PackageName], packages: &Packages) -> Option<Spawn> {
        let pinned = names.iter().map(|name| {
            let version = packages
                .get(name)
                .and_then(|package| package.version.clone());
            super::operand(&Want {
                name: name.clone(),
                version,
            })
        });
        Some(call(&["add"], pinned))
    }

    fn unhold(&self, names: &[PackageName]) -> Option<Spawn> {
        Some(call(&["add"], strings(names)))
    }

    fn is_unknown(&self, output: &str) -> bool {
        output
            .lines()
            .any(|line| line.ends_with(" (no such package):") || line.ends_with(" (missing):"))
    }

    fn blamed(&self, output: &str) -> Option<String> {
        let mut lines = output.lines();
        lines
            .find_map(|line| {
                if line.contains(NOT_REMOVED) {
                    return None;
                }
                let name = match line.split_once("world[") {
                    Some((_, rest)) => rest.split([']', '=', '<', '>', '~']).next()?,
                    None => line
                        .trim()
                        .strip_suffix(" (no such package):")
                        .or_else(|| line.trim().strip_suffix(" (missing):"))?,
                };
                Some(name.to_owned())
            })
            .or_else(|| {
                let (_, stays) = output.split_once(NOT_REMOVED)?;
                let line = stays.lines().nth(1)?;
                Some(line.trim().split(':').next()?.to_owned())
            })
    }

    fn list_files(&self) -> &'static [&'static str] {
        &["/etc/apk/repositories", "/var/cache/apk", "/etc/apk/cache"]
    }

    fn newer(&self, names: &[PackageName]) -> Spawn {
        call(&["version", "--limit", "<"], strings(names))
    }

    fn newer_versions(&self, end: End, output: &str) -> Option<Newer> {
        (end == End::Exit(0)).then(|| newer(output))
    }
}

/// What apk says of what it leaves.
const NOT_REMOVED: &str = "are not removed due to";

fn call(verb: &[&str], operands: impl IntoIterator<Item = String>) -> Spawn {
    let options = [verb, &OPTIONS[..]].concat();
    Spawn {
        timeout: super::LONGEST,
        ..Spawn::tool("apk", super::arguments(&options, operands))
    }
}

/// Reads lines such as `nginx-1.24.0-r15 < 1.26.2-r0`.
fn newer(output: &str) -> Newer {
    let mut newer = Newer::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A name ends before its version and release.
        if let [package, "<", version, ..] = words[..]
            && let Some((name, _)) = package
                .rsplit_once("-r")
                .and_then(|(p, _)| p.rsplit_once('-'))
            && let Ok(version) = PackageVersion::parse(version)
        {
            newer.insert(name.to_owned(), version);
        }
    }
    newer
}

/// Parses the record: stanzas of one-letter fields.
fn parse(record: &str) -> Packages {
    let mut packages = Packages::default();
    for stanza in record.split("\n\n") {
        let field = |letter: &str| stanza.lines().find_map(|line| line.strip_prefix(letter));
        let (Some(name), Some(version), Some(arch)) = (field("P:"), field("V:"), field("A:"))
        else {
            continue;
        };
        let package = Package {
            version: PackageVersion::parse(version).ok(),
            held: false,
            // apk marks what it could not unpack or configure: `f:` with letters.
            configured: field("f:").is_none(),
        };
        packages.add(name, arch, true, package);
    }
    packages
}
