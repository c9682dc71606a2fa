"""The base image: the read-only lower layer that every host shares."""

import hashlib
import os

from .place import ROOT, LabError, call, locked, remove

MIRROR = os.environ.get("HPT_LAB_MIRROR", "http://deb.debian.org")
SOURCES = [
    f"deb {MIRROR}/debian bookworm main",
    f"deb {MIRROR}/debian bookworm-updates main",
    f"deb {MIRROR}/debian-security bookworm-security main",
]
PACKAGES = [
    "acl", "attr", "ca-certificates", "cron", "dbus", "dbus-user-session", "git", "iproute2",
    "iputils-ping", "libpam-systemd", "netbase", "nftables", "openssh-server", "procps", "python3",
    "sudo", "systemd-sysv",
]
# Run in the new tree ($1) once its packages are in.
CUSTOMIZE = r"""
set -e
in_base() { chroot "$root" "$@"; }
root=$1
echo 'deb [trusted=yes] file:/srv/lab-repo ./' > "$root/etc/apt/sources.list"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
# They would take the dpkg lock at a random moment.
in_base systemctl mask apt-daily.timer apt-daily-upgrade.timer apt-daily.service \
    apt-daily-upgrade.service dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
# The network is there before the host boots; nothing in it may be reconfigured.
in_base systemctl mask systemd-networkd.service systemd-networkd.socket networking.service \
    getty.target console-getty.service systemd-networkd-wait-online.service
in_base systemctl enable ssh.service cron.service
# Own to each host: made before its first boot.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/hostname"
: > "$root/etc/resolv.conf"
mkdir -p "$root/srv/lab-repo" "$root/var/log/journal" "$root/root/.ssh"
chmod 0700 "$root/root/.ssh"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\n' \
    > "$root/etc/systemd/journald.conf.d/lab.conf"
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"
"""


def identity():
    """A hash of all that the image is made from; another hash is another image."""
    text = "\n".join([*SOURCES, *PACKAGES, CUSTOMIZE])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def path():
    """Where the image of today's inputs is, built or not."""
    return ROOT / f"base-{identity()}"


def build():
    """Build the image unless it is there; True when there was something to do."""
    with locked(ROOT / "image.lock"):
        if path().exists():
            return False
        fresh = ROOT / f"base-{identity()}.part"
        remove(fresh)
        hook = ROOT / "customize.sh"
        hook.write_text(CUSTOMIZE)
        try:
            call("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                 f"--include={','.join(PACKAGES)}",
                 '--setup-hook=mkdir -p "$1/etc/systemd/journald.conf.d"',
                 f'--customize-hook=sh {hook} "$1"', "bookworm", fresh, *SOURCES)
        except LabError as error:
            remove(fresh)
            raise LabError(f"base image: {error}; it needs a Debian mirror: {MIRROR} "
                           "(another one: HPT_LAB_MIRROR)") from None
        fresh.rename(path())
        for old in ROOT.glob("base-*"):
            if old != path() and not in_use(old):
                remove(old)
        return True


def in_use(base):
    """Whether any lab's host stands on this image."""
    return any(link.readlink() == base for link in ROOT.glob("labs/*/hosts/*/base"))
