//! dnf, and yum before it: the same words but for what the local lists are asked.

use super::super::Live;
use super::super::command::{End, Spawn};
use super::super::locks::Lock;
use super::{Manager, Newer, Packages, rpm, wanted};
use crate::effect::{Transaction, Want};
use crate::host::HostError;
use crate::name::{PackageName, PackageVersion};

/// What is on hold, by the plugin of dnf 4, of yum 3 and by dnf 5 itself.
const VERSION_LOCKS: [&str; 3] = [
    "/etc/dnf/plugins/versionlock.list",
    "/etc/yum/pluginconf.d/versionlock.list",
    "/etc/dnf/versionlock.toml",
];

/// A removal takes along nothing that nobody named.
const NO_ORPHANS: &str = "--setopt=clean_requirements_on_remove=False";

/// How repoquery answers: with a line feed of its own, since dnf 5 adds none.
const FORMAT: &str = "--queryformat=%{name}\t%{evr}\t%{arch}\n";

/// dnf 4 and 5, or yum 3.
pub(super) struct Dnf {
    program: &'static str,
    /// Whether it has `repoquery` built in.
    can_query: bool,
}

/// The package manager of Fedora and what comes of it.
pub(super) const DNF: Dnf = Dnf {
    program: "dnf",
    can_query: true,
};

/// Its forerunner, where there is no dnf.
pub(super) const YUM: Dnf = Dnf {
    program: "yum",
    can_query: false,
};

impl Dnf {
    fn call(&self, options: &[&str], operands: impl IntoIterator<Item = String>) -> Spawn {
        let mut spawn = Spawn::tool(self.program, super::arguments(options, operands));
        spawn.timeout = super::LONGEST;
        spawn
    }
}

impl Manager for Dnf {
    fn word(&self) -> &'static str {
        self.program
    }

    fn record_files(&self) -> &'static [&'static str] {
        rpm::with_database![
            "/etc/dnf/plugins/versionlock.list",
            "/etc/yum/pluginconf.d/versionlock.list",
            "/etc/dnf/versionlock.toml",
        ]
    }

    fn record(&self, host: &Live) -> Result<Packages, HostError> {
        let mut packages = rpm::read(host)?;
        for path in VERSION_LOCKS {
            let list = host.read_fixed(path)?;
            for name in held(&String::from_utf8_lossy(&list)) {
                packages.set_held(&name);
            }
        }
        Ok(packages)
    }

    fn locks(&self) -> &'static [Lock<'static>] {
        &[
            Lock::Pid("/var/cache/dnf/metadata_lock.pid"),
            Lock::Pid("/var/lib/dnf/rpmdb_lock.pid"),
            Lock::Pid("/run/yum.pid"),
            Lock::Record(rpm::LOCK),
        ]
    }

    fn refresh(&self) -> Spawn {
        let mut spawn = Spawn::tool(self.program, ["-y", "makecache"]);
        spawn.timeout = super::LONGEST;
        spawn
    }

    fn trial(&self, _: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError> {
        Ok((!wanted.remove.is_empty()).then(|| rpm::try_removal(&wanted.remove)))
    }

    /// `install` leaves alone what is there, so that an upgrade of it is a call of its own.
    fn change(&self, transaction: &Transaction, packages: &Packages) -> Vec<Spawn> {
        let is_older = |want: &Want| {
            transaction.upgrade.contains(&want.name) && packages.get(&want.name).is_some()
        };
        let (older, missing): (Vec<_>, Vec<_>) = wanted(transaction).partition(is_older);
        let mut calls = Vec::new();
        if !missing.is_empty() {
            calls.push(self.call(&["-y", "install"], missing.iter().map(operand)));
        }
        if !older.is_empty() {
            calls.push(self.call(&["-y", "upgrade"], older.iter().map(operand)));
        }
        if !transaction.remove.is_empty() {
            let names = || transaction.remove.iter().map(rpm::operand);
            calls.push(rpm::try_removal(&transaction.remove));
            calls.push(self.call(&["-y", NO_ORPHANS, "remove"], names()));
        }
        calls
    }

    fn hold(&self, names: &[PackageName], _: &Packages) -> Option<Spawn> {
        let names = names.iter().map(rpm::operand);
        Some(self.call(&["-y", "versionlock", "add"], names))
    }

    fn unhold(&self, names: &[PackageName]) -> Option<Spawn> {
        let names = names.iter().map(rpm::operand);
        Some(self.call(&["-y", "versionlock", "delete"], names))
    }

    fn is_unknown(&self, output: &str) -> bool {
        let signs = ["No match for argument: ", "Unable to find a match: "];
        output.lines().any(|line| {
            signs.iter().any(|sign| line.contains(sign)) || yums_unknown(line).is_some()
        })
    }

    fn blamed(&self, output: &str) -> Option<String> {
        output.lines().find_map(|line| {
            let line = line.trim();
            let name = line
                .strip_prefix("No match for argument: ")
                .or_else(|| yums_unknown(line))
                .or_else(|| Some(line.split_once(" is needed by (installed) ")?.0))
                .or_else(|| {
                    line.strip_prefix("Package ")?
                        .strip_suffix(" is not signed")
                })
                .or_else(|| line.split_once("Problem: package ")?.1.split(' ').next())?;
            Some(name.to_owned())
        })
    }

    fn list_files(&self) -> &'static [&'static str] {
        &[
            "/etc/yum.repos.d",
            "/etc/dnf/dnf.conf",
            "/etc/yum.conf",
            "/var/cache/dnf",
            "/var/cache/libdnf5",
            "/var/cache/yum",
        ]
    }

    fn newer(&self, names: &[PackageName]) -> Spawn {
        let operands = names.iter().map(rpm::operand);
        if self.can_query {
            let query = [
                "-q",
                "-C",
                "repoquery",
                "--upgrades",
                "--latest-limit=1",
                FORMAT,
            ];
            self.call(&query, operands)
        } else {
            self.call(&["-q", "-C", "list", "updates"], operands)
        }
    }

    fn newer_versions(&self, end: End, output: &str) -> Option<Newer> {
        if self.can_query {
            return (end == End::Exit(0)).then(|| newer(output.lines().map(fields_of_query)));
        }
        let none = output.contains("No matching Packages to list");
        (end == End::Exit(0) || none).then(|| newer(output.lines().map(fields_of_list)))
    }
}

fn operand(want: &Want) -> String {
    let Some(version) = &want.version else {
        return rpm::operand(&want.name);
    };
    match want.name.as_str().split_once(':') {
        Some((name, arch)) => format!("{name}-{version}.{arch}"),
        None => format!("{}-{version}", want.name),
    }
}

/// yum's way of saying that it does not know a package.
fn yums_unknown(line: &str) -> Option<&str> {
    line.strip_prefix("No package ")?
        .strip_suffix(" available.")
}

/// Name, version and architecture.
type Fields<'a> = Option<(&'a str, &'a str, &'a str)>;

fn fields_of_query(line: &str) -> Fields<'_> {
    let mut fields = line.split('\t');
    Some((fields.next()?, fields.next()?, fields.next()?))
}

/// `name.arch  version  repository`.
fn fields_of_list(line: &str) -> Fields<'_> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [package, version, _] = words[..] else {
        return None;
    };
    let (name, arch) = package.rsplit_once('.')?;
    Some((name, version, arch))
}

fn newer<'a>(lines: impl Iterator<Item = Fields<'a>>) -> Newer {
    let mut newer = Newer::new();
    for (name, version, arch) in lines.flatten() {
        if let Ok(version) = PackageVersion::parse(version) {
            newer.insert(format!("{name}:{arch}"), version.clone());
            newer.insert(name.to_owned(), version);
        }
    }
    newer
}

/// The names in a list of locked versions: `NAME-EPOCH:VERSION-RELEASE.*` as dnf 4 writes them,
/// `EPOCH:NAME-VERSION-RELEASE.*` as yum 3 does, `name = "NAME"` as dnf 5 does.
fn held(list: &str) -> Vec<String> {
    let name = |line: &str| {
        if let Some(quoted) = line.strip_prefix("name = ") {
            return Some(quoted.trim_matches('"').to_owned());
        }
        if line.starts_with(['#', '!', '[']) || line.contains(" = ") {
            return None; // a comment, what is excluded, or another field
        }
        let (rest, _release) = line.rsplit_once('-')?;
        let (name, _version) = rest.rsplit_once('-')?;
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        (!name.is_empty()).then(|| name.to_owned())
    };
    list.lines().filter_map(|line| name(line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_names_are_read_in_all_three_spellings() {
        let table = [
            (
                "# Added lock on Sat\nnginx-core-1:1.20.1-14.el9.*\n",
                vec!["nginx-core"],
            ),
            (
                "!httpd-0:2.4-1.el9.*\n0:nginx-core-1.20.1-14.el7.*\n",
                vec!["nginx-core"],
            ),
            (
                "version = \"1.0\"\n\n[[packages]]\nname = \"nginx-core\"\n[[packages.conditions]]\n\
                 key = \"evr\"\ncomparator = \"=\"\nvalue = \"1.20-1-1\"\n",
                vec!["nginx-core"],
            ),
            ("", vec![]),
        ];
        for (list, names) in table {
            assert_eq!(held(list), names, "{list}");
        }
    }
}
