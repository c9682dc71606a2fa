//! What is known of a host itself, read from its own files without starting a process.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde::Serialize;

/// Facts of a host. A text that could not be read is empty, a number 0: a fact is for people and
/// templates, and no decision about safety hangs on one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The host's own name. In a config with a `[[hostname]]` for the host, the name that gives it.
    pub hostname: String,
    /// `ID` of os-release: debian, fedora, ...
    pub os: String,
    /// `VERSION_ID` of os-release: 12, 24.04, ...
    pub os_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_name: String,
    /// The running kernel's release.
    pub kernel: String,
    /// The machine's architecture as the kernel words it: `x86_64`, aarch64, ...
    pub arch: String,
    /// Processors that this process may run on.
    pub cpus: u64,
    /// Main memory in bytes.
    pub memory: u64,
    /// Addresses that others may reach, sorted: neither loopback nor link-local. Empty for a root
    /// that does not run.
    pub addresses: Vec<String>,
    /// What installs packages here: apt, dnf, yum, zypper, apk or pacman; empty if none of them does.
    pub package_manager: String,
    /// What the host runs in, where it says so: kvm, vmware, systemd-nspawn, docker, ...
    pub virtualization: Option<String>,
}

impl Facts {
    /// Reads the facts of the host whose root directory is `root`; kernel, processors and memory
    /// are always those of the running machine.
    pub fn read(root: &Path) -> Self {
        let running = root == Path::new("/");
        let kernel = rustix::system::uname();
        let release = read(&root.join("etc/os-release"))
            .or_else(|| read(&root.join("usr/lib/os-release")))
            .unwrap_or_default();
        let hostname = if running {
            kernel.nodename().to_string_lossy().into_owned()
        } else {
            read(&root.join("etc/hostname"))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        Self {
            hostname,
            os: os_release(&release, "ID").unwrap_or_else(|| "linux".into()),
            os_version: os_release(&release, "VERSION_ID").unwrap_or_default(),
            os_name: os_release(&release, "PRETTY_NAME").unwrap_or_default(),
            kernel: kernel.release().to_string_lossy().into_owned(),
            arch: kernel.machine().to_string_lossy().into_owned(),
            cpus: std::thread::available_parallelism()
                .map_or(0, |n| u64::try_from(n.get()).unwrap_or(u64::MAX)),
            memory: memory(&read(Path::new("/proc/meminfo")).unwrap_or_default()),
            addresses: if running { addresses() } else { Vec::new() },
            package_manager: package_manager(root).to_owned(),
            virtualization: if running { virtualization() } else { None },
        }
    }
}

/// The package manager whose program and whose record are both there. One that is there alone, as
/// rpm's tools may be on Debian, does not manage the host.
fn package_manager(root: &Path) -> &'static str {
    const RPM: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
    let known: [(&str, &str, &[&str]); 6] = [
        ("apt", "usr/bin/apt-get", &["var/lib/dpkg/status"]),
        ("zypper", "usr/bin/zypper", &RPM),
        ("dnf", "usr/bin/dnf", &RPM),
        ("yum", "usr/bin/yum", &RPM),
        (
            "apk",
            "sbin/apk",
            &["lib/apk/db/installed", "usr/lib/apk/db/installed"],
        ),
        ("pacman", "usr/bin/pacman", &["var/lib/pacman/local"]),
    ];
    let there = |path: &str| {
        let stat = root.join(path).symlink_metadata();
        stat.is_ok_and(|stat| stat.len() > 0) // a record of nothing is nobody's
    };
    known
        .iter()
        .find(|(_, program, records)| there(program) && records.iter().any(|path| there(path)))
        .map_or("", |(word, ..)| word)
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The value of one line of os-release, without its quotes.
fn os_release(text: &str, key: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let line = line.trim();
    let bare = ['"', '\'']
        .iter()
        .find_map(|&q| line.strip_prefix(q)?.strip_suffix(q));
    Some(bare.unwrap_or(line).to_owned())
}

/// `MemTotal` of /proc/meminfo, which is given in KiB, in bytes.
fn memory(text: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .unwrap_or_default();
    let kib: u64 = line
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    kib.saturating_mul(1024)
}

fn addresses() -> Vec<String> {
    let mut v4 = local_v4(&read(Path::new("/proc/net/fib_trie")).unwrap_or_default());
    let mut v6 = global_v6(&read(Path::new("/proc/net/if_inet6")).unwrap_or_default());
    v4.sort();
    v4.dedup();
    v6.sort();
    let v4 = v4.iter().map(ToString::to_string);
    v4.chain(v6.iter().map(ToString::to_string)).collect()
}

/// A leaf of the routing trie is `|-- ADDRESS`; the host's own are followed by `/32 host LOCAL`.
fn local_v4(trie: &str) -> Vec<Ipv4Addr> {
    let mut leaf = None;
    let mut found = Vec::new();
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf.filter(|a| !a.is_loopback() && !a.is_link_local()));
        }
    }
    found
}

/// Each line begins with 32 hexadecimal digits; the fourth word is the scope, 00 for global.
fn global_v6(table: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let global = words.get(3) == Some(&"00");
        let bits = words
            .first()
            .and_then(|hex| u128::from_str_radix(hex, 16).ok())?;
        global.then(|| Ipv6Addr::from(bits))
    };
    table.lines().filter_map(address).collect()
}

fn virtualization() -> Option<String> {
    if let Some(container) = read(Path::new("/run/systemd/container")) {
        return Some(container.trim().to_owned());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    let vendor = read(Path::new("/sys/class/dmi/id/sys_vendor"))?;
    let known = [
        ("QEMU", "kvm"),
        ("Amazon EC2", "amazon"),
        ("Google", "google"),
        ("Microsoft", "hyper-v"),
        ("VMware", "vmware"),
        ("innotek", "virtualbox"),
        ("Xen", "xen"),
    ];
    known
        .iter()
        .find(|(name, _)| vendor.contains(name))
        .map(|(_, kind)| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_values_lose_their_quotes() {
        let text = "NAME=\"Debian\"\nID=debian\nVERSION_ID='12'\nID_LIKE=x\n";
        assert_eq!(os_release(text, "ID").as_deref(), Some("debian"));
        assert_eq!(os_release(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(os_release(text, "PRETTY_NAME"), None);
    }

    #[test]
    fn only_addresses_that_others_can_reach_are_told() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     \
                    |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(trie), [Ipv4Addr::new(10, 0, 0, 5)]);
        let table = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     20010db8000000000000000000000005 02 40 00 80     eth0\n\
                     fe800000000000000000000000000005 02 40 20 80     eth0\n";
        assert_eq!(
            global_v6(table)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["2001:db8::5"]
        );
    }

    #[test]
    fn this_machine_has_a_kernel_and_memory() {
        let facts = Facts::read(Path::new("/"));
        assert!(!facts.kernel.is_empty() && !facts.arch.is_empty());
        assert!(facts.memory > 1 << 20 && facts.cpus > 0);
    }

    #[test]
    fn another_root_is_read_from_its_own_files() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(
            root.path().join("etc/os-release"),
            "ID=fedora\nVERSION_ID=41\n",
        )
        .unwrap();
        fs::write(root.path().join("etc/hostname"), "image\n").unwrap();
        let facts = Facts::read(root.path());
        assert_eq!(
            (facts.os.as_str(), facts.os_version.as_str()),
            ("fedora", "41")
        );
        assert_eq!(
            (facts.hostname.as_str(), facts.addresses.len()),
            ("image", 0)
        );
    }
}
