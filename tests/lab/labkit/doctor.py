"""What a machine lacks to run the lab."""

import shutil
from pathlib import Path

from . import image, repo
from .place import ROOT, LabError, call, cgroup_root

PROGRAMS = {
    "systemd-nspawn": "systemd-container", "systemd-run": "systemd", "busctl": "systemd",
    "mmdebstrap": "mmdebstrap", "nft": "nftables", "ip": "iproute2", "unshare": "util-linux",
    "nsenter": "util-linux", "apt-ftparchive": "apt-utils", "dpkg-deb": "dpkg",
    "ssh": "openssh-client", "ssh-keygen": "openssh-client", "tar": "tar",
}
HOSTS_PER_INOTIFY = 7  # instances that PID 1, dbus and logind of one host take
NEED_MB = 2000


def findings():
    """One line for each thing that is missing, with how to get it."""
    for program, package in PROGRAMS.items():
        if not shutil.which(program):
            yield f"{program} is missing: apt-get install {package}"
    for file in ["/etc/hosts", "/etc/ssh/ssh_config"]:
        if not Path(file).exists():
            yield f"{file} is missing; the workstation mounts its own over it: touch {file}"
    try:
        (cgroup_root() / "hpt-lab").mkdir(exist_ok=True)
        if not (cgroup_root() / "hpt-lab" / "cgroup.kill").exists():
            yield "no cgroup.kill: the lab needs Linux 5.14 or newer"
    except LabError as error:
        yield str(error)
    except OSError as error:
        yield f"cgroup2: {error.strerror}: a privileged container or a real machine is needed"
    for what, trial in TRIALS.items():
        try:
            call("unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", trial)
        except LabError as error:
            yield f"{what}: {error}"
    free = shutil.disk_usage(ROOT if ROOT.exists() else ROOT.parent).free // 2**20
    if free < NEED_MB:
        yield f"{ROOT} has {free} MB free of the {NEED_MB} wanted: set HPT_LAB_DIR"
    if not image.path().exists():
        yield "there is no base image: lab build"
    elif not repo.ready():
        yield "there is no local package repository: lab repo"


TRIALS = {
    "no mount namespaces with overlayfs":
        "mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir l u w r; "
        "mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w,redirect_dir=on,index=on r",
    "no bridges in network namespaces":
        "ip link add br0 type bridge; ip link add v0 type veth peer name v1",
    "no nftables for bridges": "printf 'table bridge t {\\n}\\n' | nft -f -",
}


def capacity():
    """How many hosts the machine's inotify limit lets run at once."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    return limit // HOSTS_PER_INOTIFY
