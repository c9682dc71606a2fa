//! How apt-get and dpkg are called: options, verb, `--`, operands; no other words reach them (X4).

use std::fs;
use std::time::SystemTime;

use super::super::Live;
use super::super::command::{End, Spawn};
use super::super::locks::Lock;
use super::objection::unasked;
use super::{Foreseen, Manager, Newer, Packages, apt_words, dpkg, strings};
use crate::effect::{Transaction, Want};
use crate::host::HostError;
use crate::name::PackageName;

/// For every call: ask nothing, keep changed configuration files, fail where only a warning would
/// be given. Signatures stay as the host has them: there is no option against them (X6).
const OPTIONS: [&str; 12] = [
    "-y",
    "-q",
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "APT::Update::Error-Mode=any",
    "-o",
    "Dpkg::Use-Pty=0",
];

/// apt refuses by itself what would remove a package.
const NO_REMOVE: &str = "--no-remove";

/// A look as root would write caches; it must not.
const NO_CACHES: [&str; 4] = [
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
];

/// Nor may a simulation write logs.
const SIMULATE: [&str; 9] = [
    "-s",
    "-o",
    "Dir::Log::Terminal=/dev/null",
    "-o",
    "Dir::Log::History=/dev/null",
    NO_CACHES[0],
    NO_CACHES[1],
    NO_CACHES[2],
    NO_CACHES[3],
];

/// A plan waits for nobody, and a simulation that reads needs no lock.
const NO_LOCKS: [&str; 2] = ["-o", "Debug::NoLocking=true"];

/// Where the lists are.
const LISTS: &str = "/var/lib/apt/lists";

/// Debian's package manager, and that of what comes of Debian.
pub(super) struct Apt;

impl Manager for Apt {
    fn word(&self) -> &'static str {
        "apt"
    }

    fn record_files(&self) -> &'static [&'static str] {
        &[dpkg::STATUS]
    }

    fn record(&self, host: &Live) -> Result<Packages, HostError> {
        let text = host.read_fixed(dpkg::STATUS)?;
        Ok(dpkg::parse(&String::from_utf8_lossy(&text)))
    }

    fn locks(&self) -> &'static [Lock<'static>] {
        &[
            Lock::Record("/var/lib/dpkg/lock-frontend"),
            Lock::Record("/var/lib/dpkg/lock"),
            Lock::Record("/var/lib/apt/lists/lock"),
        ]
    }

    fn repair(&self, packages: &Packages) -> Option<Spawn> {
        let journal = fs::read_dir("/var/lib/dpkg/updates").is_ok_and(|mut d| d.next().is_some());
        let args = ["--force-confdef", "--force-confold", "--configure", "-a"];
        (journal || packages.any_unconfigured()).then(|| tool("dpkg", args))
    }

    fn lists_are_stale(&self) -> bool {
        let names = fs::read_dir(LISTS).into_iter().flatten().flatten();
        let mut names = names.map(|entry| entry.file_name());
        if !names.any(|name| name.to_string_lossy().contains("_Packages")) {
            return true;
        }
        let newest = |paths: &[&str]| paths.iter().filter_map(|path| modified(path)).max();
        let sources = [
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d",
            "/etc/apt/preferences.d",
            "/etc/apt/keyrings",
        ];
        newest(&sources) > newest(&[LISTS, "/var/lib/apt/lists/partial"])
    }

    fn refresh(&self) -> Spawn {
        tool("apt-get", [&OPTIONS[..], &["update"]].concat())
    }

    fn cannot(&self, wanted: &Transaction) -> Option<String> {
        let named = super::wanted(wanted).map(|want| want.name);
        let odd = named.chain(wanted.hold.iter().cloned()).find(|name| {
            name.as_str()
                .contains(|c: char| c.is_ascii_uppercase() || c == '_')
        });
        odd.map(|name| {
            format!("apt has no package {name}: its names have no capital letters and no `_`")
        })
    }

    fn simulate(&self, wanted: &Transaction) -> Option<Spawn> {
        Some(tool("apt-get", simulated(wanted)))
    }

    /// What breaks nothing by the record needs no trial.
    fn trial(&self, host: &Live, wanted: &Transaction) -> Result<Option<Spawn>, HostError> {
        if !host.needs()?.may_break(wanted) {
            return Ok(None);
        }
        let options = NO_LOCKS.map(String::from).into_iter();
        Ok(Some(tool("apt-get", options.chain(simulated(wanted)))))
    }

    fn along(&self, wanted: &Transaction, output: &str) -> Vec<String> {
        let removed = unasked(self, wanted, output);
        if removed.is_empty() {
            apt_words::unmet(output)
        } else {
            removed
        }
    }

    fn foreseen(&self, output: &str) -> Foreseen {
        apt_words::foreseen(output)
    }

    fn same(&self, asked: &PackageName, its: &str) -> bool {
        apt_words::same(asked.as_str(), its)
    }

    fn change(&self, wanted: &Transaction, _: &Packages) -> Vec<Spawn> {
        vec![tool("apt-get", arguments(wanted))]
    }

    fn hold(&self, names: &[PackageName], _: &Packages) -> Option<Spawn> {
        Some(tool(
            "apt-mark",
            super::arguments(&["hold"], strings(names)),
        ))
    }

    fn unhold(&self, names: &[PackageName]) -> Option<Spawn> {
        Some(tool(
            "apt-mark",
            super::arguments(&["unhold"], strings(names)),
        ))
    }

    fn is_unknown(&self, output: &str) -> bool {
        apt_words::is_unknown(output)
    }

    fn blamed(&self, output: &str) -> Option<String> {
        apt_words::blamed(output)
    }

    fn list_files(&self) -> &'static [&'static str] {
        &[
            LISTS,
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d",
            "/etc/apt/preferences",
            "/etc/apt/preferences.d",
            "/etc/apt/apt.conf.d",
        ]
    }

    fn newer(&self, names: &[PackageName]) -> Spawn {
        let options = [&NO_CACHES[..], &["policy"]].concat();
        tool("apt-cache", super::arguments(&options, strings(names)))
    }

    fn newer_versions(&self, end: End, output: &str) -> Option<Newer> {
        (end == End::Exit(0)).then(|| apt_words::newer(output))
    }
}

fn modified(path: &str) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn tool(program: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Spawn {
    let mut spawn = Spawn::tool(program, args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
        .env("UCF_FORCE_CONFFOLD", "1");
    spawn.timeout = super::LONGEST;
    spawn
}

/// One call of apt-get for a transaction: options, verb, `--`, operands (X4). What is installed is
/// upgraded by being asked for once more.
fn arguments(wanted: &Transaction) -> Vec<String> {
    let mut args: Vec<String> = OPTIONS.map(String::from).into();
    if wanted.install.iter().any(|want| want.version.is_some()) {
        args.push("--allow-downgrades".into());
    }
    if wanted.remove.is_empty() {
        // The simulation showed no removal; a change of mind since then is refused by apt itself.
        args.push(NO_REMOVE.into());
    }
    let mut installs = super::wanted(wanted).peekable();
    let mixed = installs.peek().is_some();
    let verb = if mixed { "install" } else { "remove" };
    args.extend([verb.into(), "--".into()]);
    args.extend(installs.map(|want| operand(&want)));
    // Within an installation a trailing `-` is what asks for a removal; elsewhere none can end in it.
    let mark = if mixed { "-" } else { "" };
    args.extend(wanted.remove.iter().map(|name| format!("{name}{mark}")));
    args
}

/// The same, simulated.
fn simulated(wanted: &Transaction) -> Vec<String> {
    let mut args = [&SIMULATE.map(String::from)[..], &arguments(wanted)].concat();
    // What it would remove is asked here, to be named.
    args.retain(|arg| arg != NO_REMOVE);
    args
}

fn operand(want: &Want) -> String {
    want.version
        .as_ref()
        .map_or_else(|| want.name.to_string(), |v| format!("{}={v}", want.name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::name::{PackageName, PackageVersion};

    fn want(name: &str, version: Option<&str>) -> Want {
        let version = version.map(|v| PackageVersion::parse(v).unwrap());
        Want {
            name: PackageName::parse(name).unwrap(),
            version,
        }
    }

    /// A transaction in short, for the tests of apt too.
    pub(in super::super) fn transaction(
        install: &[(&str, Option<&str>)],
        remove: &[&str],
    ) -> Transaction {
        Transaction {
            install: install
                .iter()
                .map(|(name, version)| want(name, *version))
                .collect(),
            remove: remove
                .iter()
                .map(|name| PackageName::parse(name).unwrap())
                .collect(),
            ..Transaction::default()
        }
    }

    #[test]
    fn each_transaction_is_one_call_with_operands_after_the_dashes() {
        let options = OPTIONS.join(" ");
        let table = [
            (
                transaction(&[("nginx", None), ("g++", None)], &[]),
                "--no-remove install -- nginx g++",
            ),
            (
                transaction(&[("libc6:i386", Some("1:2~rc1-1"))], &[]),
                "--allow-downgrades --no-remove install -- libc6:i386=1:2~rc1-1",
            ),
            (
                Transaction {
                    upgrade: vec![PackageName::parse("curl").unwrap()],
                    ..transaction(&[("git", None)], &[])
                },
                "--no-remove install -- git curl",
            ),
            (
                transaction(&[], &["nginx", "apache2"]),
                "remove -- nginx apache2",
            ),
            (
                transaction(&[("nginx", None)], &["apache2"]),
                "install -- nginx apache2-",
            ),
        ];
        for (transaction, expected) in table {
            assert_eq!(
                arguments(&transaction).join(" "),
                format!("{options} {expected}")
            );
        }
    }

    /// X6: nothing that apt is told allows what is not signed.
    #[test]
    fn no_option_is_against_signatures() {
        for option in OPTIONS.iter().chain(&SIMULATE).chain(&NO_LOCKS) {
            let option = option.to_lowercase();
            for word in [
                "unauthenticated",
                "insecure",
                "trusted",
                "force-yes",
                "weak",
                "verify",
            ] {
                assert!(!option.contains(word), "{option}");
            }
        }
    }

    /// X4: of 200 hostile names none becomes a package, so that none reaches an argument.
    #[test]
    fn hostile_names_never_become_operands() {
        let seeds = [
            "-", "--", "+", "/", "^", "~", "*", "?", "=", " ", "\n", "\0", "./", "..", "@", "ü",
            "$(", "`", ";", ":",
        ];
        let mut tried = 0;
        for seed in seeds {
            for name in [
                seed.to_owned(),
                format!("{seed}x"),
                format!("nginx{seed}x "),
                format!("{seed}nginx"),
                format!("nginx {seed}"),
                format!("{seed}{seed}"),
                format!("/{seed}/x.deb"),
                format!("n {seed}"),
                format!("nginx/{seed}"),
                format!("{seed}\u{202e}"),
            ] {
                assert!(PackageName::parse(&name).is_err(), "{name:?}");
                assert!(
                    PackageVersion::parse(&format!("{name}\n")).is_err(),
                    "{name:?}"
                );
                tried += 1;
            }
        }
        assert_eq!(tried, 200);
    }
}
