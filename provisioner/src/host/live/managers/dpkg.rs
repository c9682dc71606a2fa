//! The packages that dpkg has on record, from one pass over its status file.

use super::Packages;
use crate::host::Package;
use crate::name::PackageVersion;

/// Where dpkg keeps its record.
pub(in super::super) const STATUS: &str = "/var/lib/dpkg/status";

/// Parses the status file; a stanza that is none is passed over.
pub(super) fn parse(status: &str) -> Packages {
    let mut native = "";
    let mut found = Vec::new();
    for stanza in status.split("\n\n") {
        let Some((name, arch, package)) = parse_stanza(stanza) else {
            continue;
        };
        // dpkg itself is of the host's own architecture.
        if name == "dpkg" {
            native = arch;
        }
        found.push((name, arch, package));
    }
    let mut packages = Packages::default();
    for (name, arch, package) in found {
        packages.add(name, arch, arch == native || arch == "all", package);
    }
    packages
}

fn parse_stanza(stanza: &str) -> Option<(&str, &str, Package)> {
    let (mut name, mut arch, mut status, mut version) = (None, None, None, None);
    for line in stanza.lines() {
        // Continuation lines and the many other fields fail on their first byte.
        match line.as_bytes().first() {
            Some(b'P') => name = name.or_else(|| line.strip_prefix("Package: ")),
            Some(b'A') => arch = arch.or_else(|| line.strip_prefix("Architecture: ")),
            Some(b'S') => status = status.or_else(|| line.strip_prefix("Status: ")),
            Some(b'V') => version = version.or_else(|| line.strip_prefix("Version: ")),
            _ => {}
        }
    }
    let status = status.filter(|status| is_there(status))?;
    let mut words = status.split(' ');
    let (want, _flag, state) = (words.next()?, words.next()?, words.next()?);
    let configured = matches!(state, "installed" | "triggers-pending" | "triggers-awaited");
    let version = version.and_then(|v| PackageVersion::parse(v).ok());
    Some((
        name?,
        arch?,
        Package {
            version,
            held: want == "hold",
            configured,
        },
    ))
}

/// Whether a package with this `Status` is installed, or halfway there.
pub(super) fn is_there(status: &str) -> bool {
    let state = status.split(' ').nth(2);
    state.is_some_and(|state| !matches!(state, "not-installed" | "config-files"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PackageName;

    const STATUS: &str = "\
Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-9\n\n\
Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21.22\nDescription: x\n Status: purge ok not-installed\n\n\
Package: libc6\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u1\n\n\
Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
Package: half\nStatus: install ok half-configured\nArchitecture: all\nVersion: 1:2~rc1\nConffiles:\n /etc/half 0\n";

    fn get(packages: &Packages, name: &str) -> Option<Package> {
        packages.get(&PackageName::parse(name).unwrap()).cloned()
    }

    #[test]
    fn a_package_is_found_with_its_version_hold_and_state() {
        let packages = parse(STATUS);
        let libc = get(&packages, "libc6").unwrap();
        assert_eq!(
            (libc.version.unwrap().as_str(), libc.held),
            ("2.36-9+deb12u1", true)
        );
        assert_eq!(
            get(&packages, "libc6:i386")
                .unwrap()
                .version
                .unwrap()
                .as_str(),
            "2.36-9"
        );
        assert!(!get(&packages, "half").unwrap().configured && packages.any_unconfigured());
        for absent in ["gone", "none", "libc6:armhf"] {
            assert_eq!(get(&packages, absent), None, "{absent}");
        }
        assert!(get(&packages, "dpkg").unwrap().configured);
    }

    #[test]
    fn an_empty_or_broken_record_has_no_packages() {
        for status in [
            "",
            "\n\n\n",
            "Package: x\n\nStatus: install ok installed\n",
            "Status: a\n",
        ] {
            assert!(parse(status).is_empty(), "{status:?}");
        }
    }
}
