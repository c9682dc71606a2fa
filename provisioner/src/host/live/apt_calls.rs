//! How apt-get and dpkg are called: options, verb, `--`, operands; no other words reach them (X4).

use std::time::Duration;

use super::command::Spawn;
use crate::effect::{Transaction, Want};

/// A transaction may download and build for so long; to stop dpkg in the middle is the last resort.
const LONGEST: Duration = Duration::from_hours(2);

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

/// A simulation as root would write logs and caches; a look must not.
const SIMULATE: [&str; 9] = [
    "-s",
    "-o",
    "Dir::Log::Terminal=/dev/null",
    "-o",
    "Dir::Log::History=/dev/null",
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
];

/// Installs and removes what a transaction says.
pub(super) fn transact(wanted: &Transaction) -> Spawn {
    tool("apt-get", arguments(wanted))
}

/// Says what [`transact`] would do.
pub(super) fn simulate(wanted: &Transaction) -> Spawn {
    let mut args = [&SIMULATE.map(String::from)[..], &arguments(wanted)].concat();
    // What it would remove is asked here, to be named.
    args.retain(|arg| arg != NO_REMOVE);
    tool("apt-get", args)
}

/// Refreshes the package lists.
pub(super) fn update() -> Spawn {
    tool("apt-get", [&OPTIONS[..], &["update"]].concat())
}

/// Configures what was unpacked and left so.
pub(super) fn configure() -> Spawn {
    tool(
        "dpkg",
        ["--force-confdef", "--force-confold", "--configure", "-a"],
    )
}

fn tool(program: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Spawn {
    let mut spawn = Spawn::tool(program, args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
        .env("UCF_FORCE_CONFFOLD", "1");
    spawn.timeout = LONGEST;
    spawn
}

/// One call of apt-get for a transaction: options, verb, `--`, operands (X4).
fn arguments(wanted: &Transaction) -> Vec<String> {
    let mut args: Vec<String> = OPTIONS.map(String::from).into();
    if wanted.install.iter().any(|want| want.version.is_some()) {
        args.push("--allow-downgrades".into());
    }
    if wanted.remove.is_empty() {
        // The simulation showed no removal; a change of mind since then is refused by apt itself.
        args.push(NO_REMOVE.into());
    }
    let verb = if wanted.install.is_empty() {
        "remove"
    } else {
        "install"
    };
    args.extend([verb.into(), "--".into()]);
    args.extend(wanted.install.iter().map(operand));
    let mixed = !wanted.install.is_empty();
    // Within an installation a trailing `-` is what asks for a removal; elsewhere none can end in it.
    args.extend(wanted.remove.iter().map(|name| {
        if mixed {
            format!("{name}-")
        } else {
            name.to_string()
        }
    }));
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
            refresh: false,
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
        for option in OPTIONS.iter().chain(&SIMULATE) {
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
            "-", "--", "+", "/", "^", "~", "*", "?", "=", " ", "\n", "\0", "./", "..", "A", "ü",
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
                format!("N{seed}"),
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
