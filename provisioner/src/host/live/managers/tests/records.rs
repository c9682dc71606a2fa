//! What apk and pacman have on record, read from a root that does not run; and whose host it is.

use super::*;
use crate::host::live::tests::open;
use crate::host::{self, Observe as _};

fn write(root: &Path, path: &str, text: &str) {
    let at = root.join(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, text).unwrap();
}

/// Version, hold and state of packages, as the host shows them.
fn shown(root: &Path, name: &str) -> Option<(String, bool, bool)> {
    let host = open(root);
    let package = host.package(&PackageName::parse(name).unwrap()).unwrap()?;
    let version = package.version.map_or_else(String::new, |v| v.to_string());
    Some((version, package.held, package.configured))
}

#[test]
fn apks_record_is_read_without_apk() {
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let record = "C:Q1pSfqkRVXXvhIVnh6VZ8gDYrEPzA=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nF:lib\nR:ld-musl-x86_64.so.1\n\n\
                      C:Q1\nP:nginx\nV:1.26.2-r0\nA:x86_64\nD:musl\np:cmd:nginx=1.26.2-r0\n\n\
                      C:Q1\nP:broken\nV:1-r0\nA:x86_64\nf:fs\n\n";
        write(root, place, record);
        write(root, "sbin/apk", "x");
        write(root, "etc/apk/world", "musl\nnginx=1.26.2-r0\nbroken>=1\n");
        assert_eq!(open(root).facts().package_manager, "apk");
        assert_eq!(shown(root, "musl"), Some(("1.2.5-r0".into(), false, true)));
        assert_eq!(shown(root, "nginx"), Some(("1.26.2-r0".into(), true, true)));
        assert_eq!(shown(root, "broken"), Some(("1-r0".into(), false, false)));
        assert_eq!(shown(root, "git"), None);
    }
}

#[test]
fn pacmans_record_is_read_without_pacman() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let desc = "%NAME%\nlib-tool\n\n%VERSION%\n1:1.0-1\n\n%BASE%\nlib-tool\n\n%ARCH%\nx86_64\n\n%DEPENDS%\nglibc\n\n";
    write(root, "var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
    write(root, "var/lib/pacman/local/lib-tool-1:1.0-1/desc", desc);
    write(
        root,
        "var/lib/pacman/local/git-2.45-1/desc",
        "%NAME%\ngit\n\n%VERSION%\n2.45-1\n\n%ARCH%\nx86_64\n",
    );
    write(root, "var/lib/pacman/local/half-1-1/files", "");
    write(root, "usr/bin/pacman", "x");
    write(
        root,
        "etc/pacman.conf",
        "[options]\n#IgnorePkg = no\nIgnorePkg = git linux\n",
    );
    assert_eq!(open(root).facts().package_manager, "pacman");
    assert_eq!(
        shown(root, "lib-tool"),
        Some(("1:1.0-1".into(), false, true))
    );
    assert_eq!(shown(root, "git"), Some(("2.45-1".into(), true, true)));
    assert_eq!(shown(root, "half"), None);
}

#[test]
fn a_host_is_managed_by_what_has_both_a_program_and_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let manager = || open(root).facts().package_manager.clone();
    assert_eq!(manager(), "");
    write(root, "usr/bin/dnf", "x");
    assert_eq!(manager(), "", "a program alone");
    write(root, "usr/lib/sysimage/rpm/rpmdb.sqlite", "x");
    assert_eq!(manager(), "dnf");
    write(root, "usr/bin/apt-get", "x");
    write(root, "var/lib/dpkg/status", "");
    assert_eq!(manager(), "dnf", "apt on Fedora has nothing on record");
    write(root, "usr/bin/zypper", "x");
    assert_eq!(manager(), "zypper");
    let refused = open(root)
        .package(&PackageName::parse("git").unwrap())
        .unwrap_err();
    assert!(
        refused.to_string().contains("a root that does not run"),
        "{refused}"
    );
    write(root, "var/lib/dpkg/status", "Package: x\n");
    assert_eq!(manager(), "apt");
}

/// The lists of this very host, where apt manages it and they are up to date.
#[test]
fn this_hosts_own_lists_are_asked() {
    let host = open(Path::new("/"));
    let manager = named(&host.facts().package_manager);
    let Some(manager) = manager.filter(|m| host.powers().packages && !m.lists_are_stale()) else {
        return;
    };
    let dpkg = PackageName::parse("dpkg").unwrap();
    if manager.word() == "apt" {
        assert_ne!(host.newer(&dpkg).unwrap(), host::Newer::Unknown);
    }
}
