//! What an operator reaches a host by: the network, sshd, and hpt itself.

use std::path::Path;

use crate::host::Key;
use crate::host::setting::Setting;

/// Files, and directories with all that is in them.
const PATHS: [&str; 27] = [
    "/etc/NetworkManager",
    "/etc/default/ufw",
    "/etc/firewalld",
    "/etc/hpt",
    "/etc/iptables",
    "/etc/netplan",
    "/etc/network",
    "/etc/nftables",
    "/etc/nftables.conf",
    "/etc/nftables.d",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/sysconfig/ip6tables",
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/nftables.conf",
    "/etc/systemd/network",
    "/etc/ufw",
    "/etc/wireguard",
    "/root/.ssh",
    "/usr/bin/hpt",
    "/usr/lib/systemd/network",
    "/usr/local/bin/hpt",
    "/usr/sbin/nft",
    "/usr/sbin/sshd",
    "/usr/sbin/ufw",
    "/var/lib/hpt",
];

/// Where the host's manager finds files of units.
const UNIT_DIRS: [&str; 4] = [
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
];

/// Units of the host's own manager.
const UNITS: [&str; 18] = [
    "NetworkManager.service",
    "firewalld.service",
    "hpt-firewall.service",
    "hpt.service",
    "hpt.socket",
    "ip6tables.service",
    "iptables.service",
    "netfilter-persistent.service",
    "networking.service",
    "nftables.service",
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
    "sshd@.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "ufw.service",
];

/// Packages that bring the way to the host, or may close it.
const PACKAGES: [&str; 13] = [
    "firewalld",
    "hpt",
    "ifupdown",
    "iptables",
    "iptables-persistent",
    "iptables-services",
    "netplan.io",
    "network-manager",
    "networkmanager",
    "nftables",
    "openssh-server",
    "ufw",
    "wireguard-tools",
];

/// Whether whoever changes this may cut the way to the host.
pub(crate) fn is(key: &Key) -> bool {
    match key {
        Key::Path(path) | Key::Content(path) | Key::Entries(path) | Key::Checkout(path) => {
            is_path(path.as_path())
        }
        Key::Unit(unit) => is_unit(unit.name.as_str()),
        Key::Package(name) | Key::Newer(name) => {
            PACKAGES.contains(&name.as_str().to_lowercase().as_str())
        }
        Key::Setting(Setting::Ruleset) => true,
        _ => false,
    }
}

/// Whether an account is one by which an operator gets in.
pub(crate) fn is_account(key: &Key) -> bool {
    matches!(key, Key::User(name) if name.as_str() == "root")
}

/// Below such a path, at it, or above: whoever is about a directory may be about all that it holds.
fn is_path(path: &Path) -> bool {
    let is_near = |own: &str| path.starts_with(own) || Path::new(own).starts_with(path);
    PATHS.into_iter().any(is_near) || UNIT_DIRS.into_iter().any(|dir| is_in_units(path, dir))
}

/// Of such a unit, or of a link that starts it; or all that is in a directory of units.
fn is_in_units(path: &Path, dir: &str) -> bool {
    let Ok(below) = path.strip_prefix(dir) else {
        return Path::new(dir).starts_with(path);
    };
    let mut parts = below
        .components()
        .filter_map(|part| part.as_os_str().to_str());
    let is_own = |name: &str| is_unit(name.strip_suffix(".d").unwrap_or(name));
    match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(folder), None) => is_own(folder),
        (Some(folder), Some(name)) => is_own(folder) || is_own(name),
    }
}

fn is_unit(name: &str) -> bool {
    UNITS.contains(&name) || name.starts_with("wg-quick@")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AbsPath;

    #[test]
    fn what_lies_in_a_directory_belongs_to_it_and_it_to_what_is_above() {
        for (path, wanted) in [
            ("/etc/hpt/keystore.db", true),
            ("/etc/netplan", true),
            ("/etc", true),
            ("/etc/ssh", true),
            ("/", true),
            ("/etc/systemd/system", true),
            ("/etc/systemd/system/hpt.service.d/10-a.conf", true),
            ("/etc/systemd/system/ssh.socket.d", true),
            (
                "/etc/systemd/system/multi-user.target.wants/hpt.service",
                true,
            ),
            ("/etc/systemd/system/nginx.service", false),
            ("/etc/systemd/system/nginx.service.d/a.conf", false),
            (
                "/etc/systemd/system/multi-user.target.wants/nginx.service",
                false,
            ),
            ("/etc/ssh/sshd_config.d/10-a.conf", true),
            ("/etc/ssh/ssh_config", false),
            ("/etc/wireguard/wg0.conf", true),
            ("/root/.ssh/authorized_keys", true),
            ("/root/.bashrc", false),
            ("/etc/networks", false),
            ("/etc/hpt-other/x", false),
            ("/etc/motd", false),
        ] {
            let key = Key::Path(AbsPath::parse(path).unwrap());
            assert_eq!(is(&key), wanted, "{path}");
        }
    }
}
