//! What apt and dpkg say, in the English of the C locale, and what it means.

use super::{Foreseen, Newer};
use crate::name::PackageVersion;

/// Reads the output of `apt-get -s`.
pub(super) fn foreseen(output: &str) -> Foreseen {
    let mut foreseen = Foreseen::default();
    for line in output.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("Inst"), Some(name)) => foreseen.installed.push(name.to_owned()),
            (Some("Remv" | "Purg"), Some(name)) => foreseen.removed.push(name.to_owned()),
            _ => {}
        }
    }
    foreseen
}

/// The packages that lack what they need, of which apt says ` name : Depends: other (>= 1) but ...`.
pub(super) fn unmet(output: &str) -> Vec<String> {
    let mut names: Vec<String> = output
        .lines()
        .filter_map(|line| line.strip_prefix(' ')?.split_once(" : "))
        .filter(|(_, why)| why.starts_with("Depends: ") || why.starts_with("PreDepends: "))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.dedup();
    names
}

/// Reads the candidates that `apt-cache policy` tells, where they are not what is installed.
pub(super) fn newer(output: &str) -> Newer {
    let mut newer = Newer::new();
    let (mut name, mut installed) = ("", "");
    for line in output.lines() {
        if let Some(header) = line.strip_suffix(':').filter(|h| !h.starts_with(' ')) {
            (name, installed) = (header, "");
        } else if let Some(version) = line.strip_prefix("  Installed: ") {
            installed = version;
        } else if let Some(version) = line.strip_prefix("  Candidate: ")
            && version != installed
            && let Ok(version) = PackageVersion::parse(version)
        {
            newer.insert(name.to_owned(), version);
        }
    }
    newer
}

/// Whether apt's name for a package, which has an architecture only if it is a foreign one, is the
/// one that a config names.
pub(super) fn same(asked: &str, apts: &str) -> bool {
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    asked == apts || (bare(asked) == bare(apts) && asked.contains(':') != apts.contains(':'))
}

/// Whether apt failed because its lists do not have what was asked for.
pub(super) fn is_unknown(output: &str) -> bool {
    let signs = [
        "Unable to locate package",
        "has no installation candidate",
        "was not found",
        "404  Not Found",
    ];
    output
        .lines()
        .any(|line| line.starts_with("E:") && signs.iter().any(|sign| line.contains(sign)))
}

/// The package that apt or dpkg says it failed on.
pub(super) fn blamed(output: &str) -> Option<String> {
    output.lines().find_map(|line| {
        let after = |start: &str| line.split_once(start).map(|(_, rest)| rest);
        let rest = after("dpkg: error processing package ")
            .or_else(|| after("dpkg: error processing archive "))
            .or_else(|| after("E: Unable to locate package "))
            .or_else(|| after("E: Package "))
            .or_else(|| {
                line.strip_prefix("E: Version ")
                    .and_then(|r| r.split_once(" for "))
                    .map(|(_, r)| r)
            })?;
        let name = rest.split(' ').next()?.trim_matches(['\'', '"', ',', ':']);
        (!name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_is_read() {
        let output = "Reading package lists...\nThe following packages will be REMOVED:\n  exim4\n\
                      Remv exim4 [4.96-15]\nInst libx:i386 (1.0 Debian:12 [i386])\nInst postfix (3.7 Debian:12/stable [amd64])\n\
                      Conf postfix (3.7 Debian:12/stable [amd64])\nPurg old [1]\n";
        let foreseen = foreseen(output);
        assert_eq!(foreseen.installed, ["libx:i386", "postfix"]);
        assert_eq!(foreseen.removed, ["exim4", "old"]);
    }

    #[test]
    fn what_lacks_something_is_named() {
        let output = "The following packages have unmet dependencies:\n lab-dep : Depends: lab-app (>= 1.1) but it is not going to be installed\n           \
                      Depends: x but it is not installable\n sed : PreDepends: libc6 but it is not going to be installed\n y : Conflicts: z\nE: Unable to correct problems\n";
        assert_eq!(unmet(output), ["lab-dep", "sed"]);
    }

    #[test]
    fn candidates_that_are_not_installed_are_read() {
        let output = "nginx:\n  Installed: 1.22.1-9\n  Candidate: 1.22.1-9+deb12u2\n  Version table:\n     1.22.1-9+deb12u2 500\n        \
                      500 http://deb.debian.org/debian bookworm/main amd64 Packages\n *** 1.22.1-9 100\n        100 /var/lib/dpkg/status\n\
                      git:\n  Installed: 1:2.39.5-0\n  Candidate: 1:2.39.5-0\n  Version table:\n\
                      libx:i386:\n  Installed: 1\n  Candidate: 2\ngone:\n  Installed: 1\n  Candidate: (none)\n";
        let mut found: Vec<_> = newer(output).into_iter().collect();
        found.sort();
        let found: Vec<_> = found
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, [("libx:i386", "2"), ("nginx", "1.22.1-9+deb12u2")]);
    }

    #[test]
    fn names_agree_with_and_without_architecture() {
        assert!(
            same("nginx", "nginx")
                && same("nginx:amd64", "nginx")
                && same("libx:i386", "libx:i386")
        );
        assert!(!same("libx:i386", "libx:armhf") && !same("nginx", "nginx-core"));
    }

    #[test]
    fn the_package_that_failed_is_named() {
        let table = [
            (
                "Setting up x\ndpkg: error processing package lab-bad (--configure):\n installed",
                Some("lab-bad"),
            ),
            ("E: Unable to locate package nosuch", Some("nosuch")),
            (
                "E: Package 'gone' has no installation candidate",
                Some("gone"),
            ),
            ("E: Version '9' for 'nginx' was not found", Some("nginx")),
            (
                "E: Could not get lock /var/lib/dpkg/lock. It is held by process 8 (apt)",
                None,
            ),
            ("", None),
        ];
        for (output, expected) in table {
            assert_eq!(blamed(output).as_deref(), expected, "{output}");
        }
        assert!(
            is_unknown("E: Unable to locate package nosuch")
                && !is_unknown("E: Unmet dependencies")
        );
    }
}
