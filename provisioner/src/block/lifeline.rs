//! What an operator reaches a host by: the network, sshd, and hpt itself.

use crate::host::Key;
use crate::name::AbsPath;

/// Files, and directories with all that is in them.
const PATHS: [&str; 14] = [
    "/etc/NetworkManager",
    "/etc/hpt",
    "/etc/netplan",
    "/etc/network",
    "/etc/nftables.conf",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/sysconfig/network-scripts",
    "/etc/systemd/network",
    "/etc/systemd/system/hpt.service",
    "/etc/systemd/system/hpt.service.d",
    "/etc/systemd/system/hpt.socket",
    "/usr/bin/hpt",
    "/usr/local/bin/hpt",
];

/// Units of the host's own manager.
const UNITS: [&str; 10] = [
    "NetworkManager.service",
    "firewalld.service",
    "hpt.service",
    "hpt.socket",
    "networking.service",
    "nftables.service",
    "ssh.service",
    "sshd.service",
    "systemd-networkd.service",
    "ufw.service",
];

/// Whether whoever changes this may cut the way to the host.
pub(crate) fn is(key: &Key) -> bool {
    match key {
        Key::Path(path) | Key::Content(path) | Key::Entries(path) | Key::Checkout(path) => {
            is_path(path)
        }
        Key::Unit(unit) => UNITS.contains(&unit.name.as_str()),
        _ => false,
    }
}

fn is_path(path: &AbsPath) -> bool {
    PATHS.iter().any(|own| path.as_path().starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_directory_belongs_to_it() {
        for (path, wanted) in [
            ("/etc/hpt/keystore.db", true),
            ("/etc/netplan", true),
            ("/etc/systemd/system/hpt.service.d/10-a.conf", true),
            ("/etc/networks", false),
            ("/etc/hpt-other/x", false),
            ("/etc/motd", false),
        ] {
            let key = Key::Path(AbsPath::parse(path).unwrap());
            assert_eq!(is(&key), wanted, "{path}");
        }
    }
}
