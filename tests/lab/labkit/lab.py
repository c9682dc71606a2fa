"""A lab: hosts under one name, and the workstation that reaches them."""

import os

from . import image, net
from .doctor import capacity
from .host import Host
from .place import ROOT, LabError, call, cgroup_root, check_root, locked, named, remove, write

SSH_CONFIG = """\
Host *
  User root
  IdentityFile {folder}/ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/ssh/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  LogLevel ERROR
"""


def every():
    """All labs of this machine that have left a trace."""
    traces = [*ROOT.glob("labs/*/"), *(cgroup_root() / "hpt-lab").glob("*/")]
    return [Lab(name) for name in sorted({path.name for path in traces})]


class Lab:
    """All that belongs to one lab name. Another name is another lab, at the same time."""

    def __init__(self, name=None):
        check_root()
        self.name = named(name or os.environ.get("HPT_LAB_NAME", "main"), "HPT_LAB_NAME")
        self.folder = ROOT / "labs" / self.name
        self.cgroup = cgroup_root() / "hpt-lab" / self.name
        self.ws = net.Workstation(self.name, self.folder)

    def lock(self):
        """Hold every lab still while a list of hosts changes."""
        return locked(ROOT / "labs.lock")

    def hosts(self):
        """Every host of the lab, by address."""
        found = [Host(self, path.name) for path in self.folder.glob("hosts/*")]
        return sorted((host for host in found if host.exists), key=lambda host: host.octet)

    def host(self, name):
        """A host that exists."""
        host = Host(self, named(name, "host"))
        if not host.exists:
            raise LabError(f"no host {name} in lab {self.name}: lab up {name}")
        return host

    def ssh_key(self):
        """The workstation's public ssh key, which every host lets in as root."""
        key = self.folder / "ssh" / "id_ed25519"
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True)
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ws", "-f", key)
        return key.with_suffix(".pub")

    def up(self, names, binary):
        """Bring these hosts up at once, new ones and ones that are off; (host, state) of each."""
        if not image.path().exists():
            raise LabError("there is no base image: lab build")
        waiting = []
        with self.lock():
            self.ws.up()
            self.check_room(len(names))
            for name in names:
                host = Host(self, named(name, "host"))
                if not host.exists:
                    host.create(self.free_octet(name), binary)
                if not host.alive():
                    host.start()
                waiting.append(host)
            self.introduce()
        return [(host, host.wait()) for host in waiting]

    def check_room(self, more):
        """Fail before the machine's inotify instances run out: then hosts come up degraded."""
        there = len(list(self.cgroup.parent.glob("*/*/payload")))
        if there + more > capacity():
            raise LabError(f"room for {capacity()} hosts, {there} are up: "
                           "sysctl fs.inotify.max_user_instances=1024 makes more")

    def free_octet(self, name):
        """An address for a new host; the git server's is known to all hosts."""
        if name == "git":
            return net.GIT
        if name == "ws":
            raise LabError("ws is the workstation: choose another name")
        taken = {host.octet for host in self.hosts()}
        for octet in range(net.FIRST_HOST, net.LAST_HOST):
            if octet not in taken:
                return octet
        raise LabError("the lab is full: lab down NAME")

    def introduce(self):
        """Write down for the workstation every host's names, addresses and ssh host key."""
        hosts = [f"127.0.0.1 localhost\n::1 localhost\n{net.v4(net.WS)} ws\n"]
        keys = []
        for host in self.hosts():
            v4, v6 = net.v4(host.octet), net.v6(host.octet)
            hosts.append(f"{v4} {host.name}\n{v6} {host.name}\n")
            key = (host.folder / "ssh_host_ed25519_key.pub").read_text()
            keys.append(f"{host.name},{v4},{v6} {key}")
        write(self.folder / "hosts.txt", "".join(hosts))
        write(self.folder / "ssh" / "known_hosts", "".join(keys))
        write(self.folder / "ssh" / "config", SSH_CONFIG.format(folder=self.folder))

    def reset(self, name):
        """Give a host back the disk it had before its first boot; systemd's word for the result."""
        host = self.host(name)
        host.kill()
        host.create(host.octet, host.binary)
        host.start()
        return host.wait()

    def down(self, names):
        """Destroy these hosts, or the whole lab with all that a crash may have left of it."""
        with self.lock():
            for name in names:
                self.host(name).destroy()
            if names:
                self.introduce()
                return
            left = {path.name for path in self.cgroup.glob("*/")}
            for name in left | {path.name for path in self.folder.glob("hosts/*")}:
                Host(self, name).kill()
            if self.cgroup.exists():
                self.cgroup.rmdir()
            self.ws.down()
            remove(self.folder)
