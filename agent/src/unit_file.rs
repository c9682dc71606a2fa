//! The units of `hpt serve`, as `hpt unit-file` prints them.
//!
//! What serve sees when it plans is what a run will meet, so no option here hides or covers files;
//! runs execute in units of their own, which inherit nothing of this. There they also get back the
//! capabilities that serving does without.

use std::path::Path;

use hpt_provisioner::PORT;

/// The service unit. `program` is the path of `hpt`; a path with characters that a unit would
/// read as its own is not one.
///
/// # Errors
/// [`BadPath`].
pub fn service(program: &Path) -> Result<String, BadPath> {
    Ok(SERVICE.replace("@PROGRAM@", plain(program)?))
}

/// The socket unit, for a target that starts when it is first called.
pub fn socket() -> String {
    SOCKET.replace("@PORT@", &PORT.to_string())
}

/// A path that a unit reads as it is.
pub(crate) fn plain(path: &Path) -> Result<&str, BadPath> {
    let good = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    let plain = |path: &&str| path.starts_with('/') && path.chars().all(good);
    path.to_str().filter(plain).ok_or(BadPath)
}

/// A path that cannot stand in a unit as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path in a unit is absolute and has letters, digits and / . _ + - only: \
     install hpt as /usr/local/bin/hpt"
)]
pub struct BadPath;

const SERVICE: &str = "\
# /etc/systemd/system/hpt.service, printed by `hpt unit-file`
[Unit]
Description=hpt target
After=network.target

[Service]
Type=notify
ExecStart=@PROGRAM@ serve
Restart=always
RestartSec=1
WatchdogSec=30
TimeoutStopSec=10

# Its own places; nobody else looks into them.
StateDirectory=hpt
StateDirectoryMode=0700
RuntimeDirectory=hpt
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077

# Enough for a flood, and no more.
LimitNOFILE=65536
LimitCORE=0
MemoryMax=512M
OOMScoreAdjust=-500

# Every run executes in a unit of its own, so this narrows hpt and not what it provisions. Nothing
# here changes which files it sees: a plan must see what a run will meet.
# CAP_NET_ADMIN is for asking the kernel which packet filter is loaded: netlink wants it for that.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_IPC_LOCK CAP_NET_ADMIN
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
";

const SOCKET: &str = "\
# /etc/systemd/system/hpt.socket, printed by `hpt unit-file --socket`
[Unit]
Description=hpt target, started when it is first called

[Socket]
ListenStream=@PORT@
NoDelay=yes
Backlog=4096

[Install]
WantedBy=sockets.target
";

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What takes files away from a plan, or puts others in their place.
    const HIDING: &[&str] = &[
        "DynamicUser",
        "InaccessiblePaths",
        "PrivateDevices",
        "PrivateMounts",
        "PrivateTmp",
        "PrivateUsers",
        "ProtectClock", // closes devices
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname", // a host name of its own
        "ProtectKernelLogs",
        "ProtectKernelModules", // hides /usr/lib/modules
        "ProtectKernelTunables",
        "ProtectProc",
        "ProtectSystem",
        "ReadOnlyPaths",
        "RootDirectory",
        "TemporaryFileSystem",
    ];

    #[test]
    fn serve_sees_what_a_run_will_meet() {
        let unit = service(Path::new("/usr/local/bin/hpt")).unwrap();
        assert!(unit.contains("\nExecStart=/usr/local/bin/hpt serve\n"));
        for option in HIDING {
            assert!(!unit.contains(option), "{option}");
        }
    }

    #[test]
    fn a_path_that_a_unit_would_misread_is_refused() {
        for path in [
            "hpt",
            "/a b/hpt",
            "/%h/hpt",
            "/a\nUser=x",
            "/$x",
            "/a;b",
            "/\u{fc}",
        ] {
            assert_eq!(service(Path::new(path)), Err(BadPath), "{path}");
        }
    }

    /// O1: at most 5.0, as systemd itself judges.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test asks systemd")]
    fn systemd_scores_the_unit_at_most_5() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hpt.service");
        std::fs::write(&path, service(Path::new("/usr/bin/true")).unwrap()).unwrap();
        let judged = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=50", "--no-pager"])
            .arg(&path)
            .output();
        let Ok(judged) = judged else {
            println!("not shown: systemd-analyze is missing; apt-get install systemd has it");
            return;
        };
        let words = String::from_utf8_lossy(&judged.stdout);
        println!("{}", words.lines().last().unwrap_or_default());
        assert!(
            judged.status.success(),
            "{words}{}",
            String::from_utf8_lossy(&judged.stderr)
        );
    }
}
