//! rpm's record, which dnf, yum and zypper share.
//!
//! It lies in a database of rpm's own making, so that `rpm -qa` is asked: once for as long as the
//! database's files show the same stamps, and never for a root that does not run.

use super::super::Live;
use super::super::command::{End, Spawn};
use super::Packages;
use crate::host::{HostError, Package, Stream};
use crate::name::{PackageName, PackageVersion};

/// Where the database may lie, with its write-ahead log: rpm 4.16 and later, ndb, before, and Debian's.
macro_rules! with_database {
    ($($more:literal),* $(,)?) => {
        &[
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
            "/usr/lib/sysimage/rpm/Packages.db",
            "/var/lib/rpm/rpmdb.sqlite",
            "/var/lib/rpm/rpmdb.sqlite-wal",
            "/var/lib/rpm/Packages.db",
            "/var/lib/rpm/Packages",
            "/root/.rpmdb/rpmdb.sqlite",
            "/root/.rpmdb/rpmdb.sqlite-wal",
            $($more),*
        ]
    };
}
pub(super) use with_database;

/// As much as a list of all packages may be.
const MOST: usize = 64 << 20;

/// The lock that rpm itself takes.
pub(super) const LOCK: &str = "/var/lib/rpm/.rpm.lock";

/// Asks what is installed.
pub(super) fn query() -> Spawn {
    Spawn::tool("rpm", ["-qa", "--qf", r"%{NAME}\t%{EVR}\t%{ARCH}\n"])
}

/// Reads what is installed on the running host.
pub(super) fn read(host: &Live) -> Result<Packages, HostError> {
    if !host.tree.is_live() {
        let why = "what rpm has installed in a root that does not run cannot be read";
        return Err(HostError::Refused(why.into()));
    }
    ask(&query())
}

/// Asks, and takes in the whole answer.
pub(super) fn ask(query: &Spawn) -> Result<Packages, HostError> {
    let (mut answer, mut words) = (Vec::new(), Vec::new());
    let end = query.run(&mut |stream, bytes| {
        let to = match stream {
            Stream::Stdout => &mut answer,
            Stream::Stderr => &mut words,
        };
        if to.len() + bytes.len() <= MOST {
            to.extend_from_slice(bytes);
        }
    })?;
    if end != End::Exit(0) {
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().last().unwrap_or_default();
        return Err(query.failed(format!("{end}: {last}")));
    }
    Ok(parse(&String::from_utf8_lossy(&answer)))
}

/// Parses `NAME<tab>EPOCH:VERSION-RELEASE<tab>ARCH` lines. Of several versions of one package, as
/// kernels have them, the last line counts.
pub(super) fn parse(list: &str) -> Packages {
    let mut packages = Packages::default();
    for line in list.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(version), Some(arch)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let package = Package {
            version: PackageVersion::parse(version).ok(),
            held: false,
            configured: true,
        };
        let main = arch == std::env::consts::ARCH || arch == "noarch";
        packages.add(name, arch, main, package);
    }
    packages
}

/// rpm writes `name.arch` where a config writes `name:arch`.
pub(super) fn operand(name: &PackageName) -> String {
    name.as_str().replacen(':', ".", 1)
}

/// Refuses, by failing, a removal that other packages do not bear.
pub(super) fn try_removal(names: &[PackageName]) -> Spawn {
    let operands = names.iter().map(operand);
    Spawn::tool("rpm", super::arguments(&["-e", "--test"], operands))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_packages_is_read() {
        let list = "bash\t5.2.15-5.el9\tx86_64\nglibc\t2.34-60.el9\ti686\nglibc\t2.34-60.el9\taarch64\n\
                    NetworkManager\t1:1.44.0-3.el9\tx86_64\ngpg-pubkey\t8483c65d-5ccc5b19\t(none)\nbroken line\n";
        let packages = parse(list);
        let version = |name: &str| {
            let package = packages.get(&PackageName::parse(name).unwrap())?;
            package.version.as_ref().map(ToString::to_string)
        };
        assert_eq!(version("bash").as_deref(), Some("5.2.15-5.el9"));
        assert_eq!(version("NetworkManager").as_deref(), Some("1:1.44.0-3.el9"));
        assert_eq!(version("glibc:i686").as_deref(), Some("2.34-60.el9"));
        assert_eq!(version("glibc:s390x"), None);
    }
}
