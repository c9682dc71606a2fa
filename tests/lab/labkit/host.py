"""One host, as seen from outside: its files, its processes, its bus."""

import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from . import image, net
from .place import LabError, call, cgroup_root, remove, write

PATIENCE = 60.0  # seconds for a boot; one takes 1, a hundred at once on two cores 50


class Host:
    """A host of a lab, running or not."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.folder = lab.folder / "hosts" / name
        self.state = self.folder / "state.json"
        self.cgroup = lab.cgroup / name
        self.holder = None  # the process, if it is ours

    @property
    def exists(self):
        """Whether it was ever brought up."""
        return (self.folder / "octet").exists()

    @property
    def octet(self):
        """The last part of its addresses, its own for as long as it exists."""
        return int((self.folder / "octet").read_text())

    @property
    def base(self):
        """The image it stands on."""
        return (self.folder / "base").readlink()

    @property
    def binary(self):
        """The file mounted at /usr/local/bin/hpt, or an empty string."""
        return (self.folder / "bin").read_text()

    # Life ------------------------------------------------------------------------------------

    def create(self, octet, binary):
        """Make the files of a new host."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "base").unlink(missing_ok=True)
        (self.folder / "base").symlink_to(image.path())
        write(self.folder / "bin", str(binary))
        for layer in ["upper", "work"]:
            remove(self.folder / layer)
            (self.folder / layer).mkdir()
        etc = self.folder / "upper" / "etc"
        write(etc / "machine-id", secrets.token_hex(16) + "\n", 0o444)
        write(etc / "hostname", f"{self.name}\n")
        write(etc / "hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n"
                             f"{net.v4(net.WS)} ws\n{net.v4(net.GIT)} git\n")
        (etc / "ssh").mkdir(exist_ok=True)
        keys = self.folder / "ssh_host_ed25519_key"  # kept over a reset: the same host to ssh
        if not keys.exists():
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", keys)
        for end, mode in [("", 0o600), (".pub", 0o644)]:
            key = Path(f"{keys}{end}").read_text()
            write(etc / "ssh" / f"ssh_host_ed25519_key{end}", key, mode)
        login = self.folder / "upper" / "root" / ".ssh"
        login.mkdir(parents=True, mode=0o700)
        (self.folder / "upper" / "root").chmod(0o700)
        write(login / "authorized_keys", self.lab.ssh_key().read_text(), 0o600)
        write(self.folder / "octet", str(octet))  # last: from here on it exists

    def start(self):
        """Power on, without waiting."""
        if self.alive():
            raise LabError(f"{self.name} is running already")
        self.state.unlink(missing_ok=True)
        self.cgroup.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "console.log", "ab") as log:
            self.holder = subprocess.Popen(
                ["nsenter", f"--net={self.lab.ws.path}",
                 "unshare", "--mount", "--propagation", "private",
                 sys.executable, os.path.realpath(sys.argv[0]), "hold", self.name],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                env=os.environ | {"HPT_LAB_NAME": self.lab.name})

    def wait(self, boots=0):
        """Wait until more than `boots` boots are complete; the word systemd has for the result."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state = self.record()
            if state["phase"] == "up" and state["boot"] > boots:
                return self.system_state()
            if state["phase"] == "off" or (self.holder and self.holder.poll() is not None):
                break
            time.sleep(0.02)
        log = self.folder / "console.log"
        words = log.read_text(errors="replace").strip().splitlines()
        raise LabError(f"{self.name} did not come up: {words[-1] if words else 'it said nothing'} "
                       f"({log})")

    def kill(self):
        """Pull the plug: every process is gone when this returns, files stay as they are."""
        if not self.cgroup.exists():
            return
        (self.cgroup / "cgroup.kill").write_text("1")
        end = time.monotonic() + PATIENCE
        while self.alive():
            if time.monotonic() > end:
                raise LabError(f"{self.name}: processes survive SIGKILL, see {self.cgroup}")
            time.sleep(0.005)
        for leaf in sorted(self.cgroup.rglob("*/"), key=lambda path: -len(path.parts)):
            leaf.rmdir()
        self.cgroup.rmdir()

    def destroy(self):
        """Kill it and forget it."""
        self.kill()
        remove(self.folder)

    def reboot(self):
        """Reboot cleanly and wait; the word systemd has for the result."""
        boots = self.record()["boot"]
        self.bus("StartUnit", "ss", "reboot.target", "replace-irreversibly")
        return self.wait(boots)

    def overlay(self):
        """The options by which its disk is mounted."""
        # redirect_dir: else rename(2) of a directory of the base fails with EXDEV.
        return ",".join([
            f"lowerdir={self.base}", f"upperdir={self.folder}/upper",
            f"workdir={self.folder}/work", "redirect_dir=on", "index=on"])

    def with_disk(self, argv):
        """Run a command on this machine, with the host's disk at /mnt; its exit code."""
        if self.alive():
            raise LabError(f"{self.name} is running: lab kill {self.name}")
        script = 'mount -t overlay overlay -o "$0" /mnt && exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
             self.overlay(), *argv], check=False).returncode

    def freeze(self, frozen):
        """Stop or continue all its processes at once."""
        if not self.alive():
            raise LabError(f"{self.name} is off: lab start {self.name}")
        (self.cgroup / "cgroup.freeze").write_text("1" if frozen else "0")

    # Looking ---------------------------------------------------------------------------------

    def record(self):
        """What the holder last wrote down."""
        try:
            return json.loads(self.state.read_text())
        except FileNotFoundError:
            return {"boot": 0, "phase": "starting", "leader": 0}

    def alive(self):
        """Whether any process lives in its cgroup."""
        try:
            return "populated 1" in (self.cgroup / "cgroup.events").read_text()
        except OSError:  # not there, or going away at this moment
            return False

    def frozen(self):
        """Whether it is paused."""
        try:
            return "frozen 1" in (self.cgroup / "cgroup.events").read_text()
        except OSError:  # not there, or going away at this moment
            return False

    def leader(self):
        """The pid of the host's own process 1, in this machine's numbers."""
        if not self.alive():
            raise LabError(f"{self.name} is off: lab start {self.name}")
        pid = self.record()["leader"]
        here = f"0::/{self.cgroup.relative_to(cgroup_root())}"
        try:
            if here in Path(f"/proc/{pid}/cgroup").read_text():  # and not a pid that came round
                return pid
        except FileNotFoundError:
            pass
        raise LabError(f"{self.name} is not up yet")

    def system_state(self):
        """systemd's own word: `running`, `degraded` (a unit failed), `starting` ..."""
        return self.bus_call("get-property", "", "SystemState").split('"')[1]

    # Its bus ---------------------------------------------------------------------------------

    def bus_address(self):
        """How to speak to its systemd without entering it."""
        socket = Path(f"/proc/{self.leader()}/root/run/dbus/system_bus_socket")
        if not socket.exists():
            raise LabError(f"{self.name} is not up yet, or its dbus is stopped")
        return f"unix:path={socket}"

    def bus_call(self, verb, *words):
        """One busctl verb on the host's systemd manager object; an empty word is left out."""
        return call("busctl", f"--address={self.bus_address()}", verb, "org.freedesktop.systemd1",
                    "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                    *filter(None, words))

    def bus(self, method, *words):
        """Call a method of the host's systemd."""
        return self.bus_call("call", method, *words)

    def command(self, argv, unit=None):
        """The argument list and environment that run `argv` in the host as a transient unit."""
        # systemd-run wants to see a machine that systemd booted, which this one need not be.
        # In the host sh finds the program; systemd-run would look for it on this machine.
        return [
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"', "sh",
            "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec",
            f"--unit={unit or 'lab-run-' + secrets.token_hex(6)}", "--description=lab run",
            "--working-directory=/root", "--setenv=HOME=/root", "--setenv=USER=root",
            "--setenv=LANG=C.UTF-8", "--setenv=DEBIAN_FRONTEND=noninteractive",
            "--", "/bin/sh", "-c", 'exec "$@"', "sh", *argv,
        ], os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.bus_address()}

    def run(self, argv, **streams):
        """Run a command in the host; its exit code. Interrupted, it stops the command too."""
        unit = f"lab-run-{secrets.token_hex(6)}.service"
        command, env = self.command(argv, unit)

        def interrupted(number, _frame):
            self.bus("StopUnit", "ss", unit, "replace")
            sys.exit(128 + number)

        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            signal.signal(number, interrupted)
        return subprocess.run(command, env=env, check=False, **streams).returncode

    # Files -----------------------------------------------------------------------------------

    def push(self, source, target):
        """Copy a file (its mode too) or what is in a directory to the path `target`."""
        try:
            mode = os.stat(source).st_mode
        except OSError as error:
            raise LabError(f"{source}: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            with subprocess.Popen(["tar", "-C", source, "-c", "."], stdout=subprocess.PIPE) as tar:
                return self.run(["sh", "-c", 'mkdir -p "$1" && tar -C "$1" -x', "sh", target],
                                stdin=tar.stdout)
        with open(source, "rb") as data:
            script = 'cat > "$1.lab" && chmod "$2" "$1.lab" && mv -T "$1.lab" "$1"'
            mode = f"{stat.S_IMODE(mode):o}"
            return self.run(["sh", "-c", script, "sh", target, mode], stdin=data)

    def pull(self, source, target):
        """Copy a file out of the host."""
        with open(target, "wb") as data:
            return self.run(["cat", source], stdin=subprocess.DEVNULL, stdout=data)
