"""The holder: one process per host, in whose private mount namespace the host lives.

All that a host mounts goes when its holder goes, so a crash can leave processes (one cgroup)
and files (one directory), nothing else.
"""

import json
import os
import selectors
import socket
import subprocess
from pathlib import Path

from . import net
from .image import ROOT
from .place import call, write

REBOOT = 133  # what nspawn exits with, under --keep-unit, when its host asked for a reboot


def hold(host):
    """Boot the host, and boot it again for as long as it asks for it. Runs in the lab's netns."""
    (host.cgroup / "cgroup.procs").write_text("0")
    # A clean /run hides what nspawn would litter; a clean cgroup2 hides the machine's v1 trees.
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    call("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    root = Path("/run/root")
    root.mkdir()
    call("mount", "-t", "overlay", "overlay", "-o", host.overlay(), root)
    boot = 0
    status = REBOOT
    while status == REBOOT:
        boot += 1
        net.plug(host.octet)
        status = one_boot(host, root, boot)
    write(host.state, json.dumps({"boot": boot, "phase": "off", "leader": 0}))


def one_boot(host, root, boot):
    """Boot once, keep the state file true while the host is up; nspawn's exit status."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    Path("/run/notify").unlink(missing_ok=True)
    heard.bind("/run/notify")
    state = {"boot": boot, "phase": "booting", "leader": 0}
    write(host.state, json.dumps(state))
    with subprocess.Popen(nspawn(host, root), stdin=subprocess.DEVNULL,
                          env=os.environ | {"NOTIFY_SOCKET": "/run/notify"}) as child:
        with selectors.DefaultSelector() as ready:
            gone = os.pidfd_open(child.pid)
            ready.register(heard, selectors.EVENT_READ)
            ready.register(gone, selectors.EVENT_READ)
            while all(key.fd != gone for key, _ in ready.select()):
                for line in heard.recv(65536).decode().splitlines():
                    field, _, value = line.partition("=")
                    if field == "X_NSPAWN_LEADER_PID":
                        state["leader"] = int(value)
                    elif field == "READY":
                        state["phase"] = "up"
                write(host.state, json.dumps(state))
            os.close(gone)
    heard.close()
    return child.returncode


def nspawn(host, root):
    """The command that is the host's power supply."""
    argv = [
        "systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={host.name}",
        "--register=no", "--keep-unit", "--notify-ready=yes", "--console=pipe",
        "--network-namespace-path=/run/netns/host",
        "--capability=CAP_NET_ADMIN,CAP_BPF", "--system-call-filter=bpf",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
    ]
    if (ROOT / "repo").exists():
        argv.append(f"--bind-ro={ROOT / 'repo'}:/srv/lab-repo")
    if host.binary:
        argv.append(f"--bind-ro={host.binary}:/usr/local/bin/hpt")
    return argv
