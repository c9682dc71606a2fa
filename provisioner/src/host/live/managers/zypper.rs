//! zypper, the package manager of SUSE.

use super::super::Live;
use super::super::command::{End, Spawn};
use super::super::locks::Lock;
use super::{Manager, Newer, Packages, rpm, wanted};
use crate::effect::{Transaction, Want};
use crate::host::HostError;
use crate::name::{PackageName, PackageVersion};

/// Where libzypp keeps what is on hold.
const HOLDS: &str = "/etc/zypp/locks";

/// zypper. Asked nothing, it cancels where something that nobody named would have to go.
pub(super) struct Zypper;

impl Manager for Zypper {
    fn word(&self) -> &'static str {
        "zypper"
    }

    fn record_files(&self) -> &'static [&'static str] {
        rpm::with_database!["/etc/zypp/locks"]
    }

    fn record(&self, host: &Live) -> Result<Packages, HostError> {
        let mut packages = rpm::read(host)?;
        let holds = host.read_fixed(HOLDS)?;
        for name in held(&String::from_utf8_lossy(&holds)) {
            packages.set_held(&name);
        }
        Ok(packages)
    }

    fn locks(&self) -> &'static [Lock<'static>] {
        &[Lock::Pid("/run/zypp.pid"), Lock::Record(rpm::LOCK)]
    }

    fn refresh(&self) -> Spawn {
        Spawn {
            timeout: super::LONGEST,
            ..Spawn::tool("zypper", ["--non-interactive", "refresh"])
        }
    }

    fn trial(&self, _: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError> {
        Ok((!wanted.remove.is_empty()).then(|| rpm::try_removal(&wanted.remove)))
    }

    /// What is installed is upgraded by being asked for once more. `--name` keeps zypper from taking
    /// a name for something that other packages provide.
    fn change(&self, transaction: &Transaction, _: &Packages) -> Vec<Spawn> {
        let wants: Vec<Want> = wanted(transaction).collect();
        let mut calls = Vec::new();
        if !wants.is_empty() {
            let mut options = vec!["install", "--name"];
            if wants.iter().any(|want| want.version.is_some()) {
                options.push("--oldpackage");
            }
            calls.push(call(&options, wants.iter().map(operand)));
        }
        if !transaction.remove.is_empty() {
            calls.push(rpm::try_removal(&transaction.remove));
            let names = transaction.remove.iter().map(rpm::operand);
            calls.push(call(&["remove", "--name"], names));
        }
        calls
    }

    /// 102 and 103 ask for a restart, of the machine or of zypper; all else was done.
    fn worked(&self, end: End, _: &str) -> bool {
        matches!(end, End::Exit(0 | 102 | 103))
    }

    fn hold(&self, names: &[PackageName], _: &Packages) -> Option<Spawn> {
        Some(call(&["addlock"], names.iter().map(rpm::operand)))
    }

    fn unhold(&self, names: &[PackageName]) -> Option<Spawn> {
        Some(call(&["removelock"], names.iter().map(rpm::operand)))
    }

    fn is_unknown(&self, output: &str) -> bool {
        output.lines().any(|line| unknown(line).is_some())
    }

    fn blamed(&self, output: &str) -> Option<String> {
        let needed = |line: &str| {
            Some(
                line.trim()
                    .split_once(" is needed by (installed) ")?
                    .0
                    .to_owned(),
            )
        };
        output.lines().find_map(|line| {
            unknown(line)
                .map(ToOwned::to_owned)
                .or_else(|| needed(line))
        })
    }

    fn list_files(&self) -> &'static [&'static str] {
        &[
            "/etc/zypp/repos.d",
            "/etc/zypp/zypp.conf",
            "/var/cache/zypp/solv",
            "/var/cache/zypp/raw",
        ]
    }

    fn newer(&self, _: &[PackageName]) -> Spawn {
        let args = [
            "--non-interactive",
            "--no-refresh",
            "--terse",
            "list-updates",
        ];
        Spawn::tool("zypper", args)
    }

    fn newer_versions(&self, end: End, output: &str) -> Option<Newer> {
        (end == End::Exit(0)).then(|| newer(output))
    }
}

fn call(options: &[&str], operands: impl IntoIterator<Item = String>) -> Spawn {
    let options = [&["--non-interactive"], options].concat();
    let spawn = Spawn::tool("zypper", super::arguments(&options, operands));
    Spawn {
        timeout: super::LONGEST,
        ..spawn.env("ZYPP_LOCK_TIMEOUT", "120")
    }
}

fn operand(want: &Want) -> String {
    let name = rpm::operand(&want.name);
    want.version
        .as_ref()
        .map_or(name.clone(), |version| format!("{name}={version}"))
}

/// The name in "'nosuch' not found in package names." and "Package 'nosuch' not found.".
fn unknown(line: &str) -> Option<&str> {
    let line = line.strip_prefix("Package ").unwrap_or(line);
    let (name, rest) = line.strip_prefix('\'')?.split_once('\'')?;
    let name = name.split('=').next()?;
    rest.trim_start().starts_with("not found").then_some(name)
}

/// Reads the table of `list-updates`, whose columns are found by their headings.
fn newer(output: &str) -> Newer {
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = output.lines().map(cells).filter(|cells| cells.len() > 1);
    let mut newer = Newer::new();
    let heading = lines.next().unwrap_or_default();
    let column = |title: &str| heading.iter().position(|cell| cell == title);
    let (Some(name), Some(version)) = (column("Name"), column("Available Version")) else {
        return newer;
    };
    for cells in lines {
        if let (Some(name), Some(version)) = (cells.get(name), cells.get(version))
            && let Ok(version) = PackageVersion::parse(version)
        {
            newer.insert(name.clone(), version);
        }
    }
    newer
}

/// The packages that libzypp's list of locks names.
fn held(locks: &str) -> impl Iterator<Item = String> + '_ {
    locks
        .lines()
        .filter_map(|line| line.strip_prefix("solvable_name:"))
        .map(|name| name.trim().to_owned())
}
