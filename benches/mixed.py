"""1,000 mixed blocks on a host of the lab, said twice: for hpt and for Salt."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LAB = HERE / "tests" / "lab"
SERVE = "/usr/local/bin/hpt serve"
os.environ.setdefault("HPT_LAB_NAME", f"bench-{os.getpid()}")
sys.dont_write_bytecode = True
sys.path.insert(0, str(LAB))

from labkit.lab import Lab  # noqa: E402

UNIT = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n"


def blocks(packages):
    """Pairs of a block of hpt's and the states of Salt's that mean the same."""
    for name in packages:
        yield f'[[package]]\nname = "{name}"\n', f"pkg-{name}:\n  pkg.installed:\n    - name: {name}\n"
    for i in range(100):
        user, home = f"bench{i:03d}", f"/home/bench{i:03d}"
        yield (f'[[user]]\nname = "{user}"\nhome = "{home}"\nshell = "/bin/bash"\ncomment = "number {i}"\ngroups = ["users"]\n',
               f"{user}:\n  user.present:\n    - home: {home}\n    - shell: /bin/bash\n    - fullname: number {i}\n    - groups: [users]\n    - remove_groups: False\n    - usergroup: True\n")
    yield '[[file]]\npath = "/srv/bench"\ndir = true\n', "/srv/bench:\n  file.directory: []\n"
    for i in range(599):
        path, text, owner = f"/srv/bench/f{i:03d}", f"file {i} " * 20, f"bench{i % 100:03d}"
        yield (f'[[file]]\npath = "{path}"\ncontent = "{text}\\n"\nmode = "0640"\nowner = "{owner}"\n',
               f"{path}:\n  file.managed:\n    - contents: \"{text}\"\n    - mode: '0640'\n    - user: {owner}\n")
    for i in range(100):
        unit = f"bench{i:03d}.service"
        yield (f'[[unit]]\nname = "{unit}"\ncontent = "{UNIT}"\nenabled = true\nstate = "started"\n',
               f"/etc/systemd/system/{unit}:\n  file.managed:\n    - contents: \"{UNIT[:-2]}\"\n    - mode: '0644'\n"
               f"{unit}:\n  service.running:\n    - enable: True\n")
    for i in range(10):
        yield (f'[[hosts]]\nip = "10.9.0.{i}"\nnames = ["bench{i}"]\n',
               f"hosts-{i}:\n  host.present:\n    - ip: 10.9.0.{i}\n    - names: [bench{i}]\n")
        yield (f'[[line]]\npath = "/etc/bash.bashrc"\nline = "# bench {i}."\n',
               f"line-{i}:\n  file.append:\n    - name: /etc/bash.bashrc\n    - text: '# bench {i}.'\n")
        yield (f'[[file]]\npath = "/srv/link{i}"\nsymlink_to = "/srv/bench"\n',
               f"/srv/link{i}:\n  file.symlink:\n    - target: /srv/bench\n")
        yield (f'[[group]]\nname = "benchers{i}"\ngid = {7000 + i}\n',
               f"benchers{i}:\n  group.present:\n    - gid: {7000 + i}\n")
        yield (f'[[edit]]\npath = "/srv/bench{i}.ini"\nformat = "ini"\nset = {{ key = "{i}" }}\n',
               f"/srv/bench{i}.ini:\n  ini.options_present:\n    - sections:\n        key: '{i}'\n")


class Host:
    """One host that serves hpt and has Salt; gone when closed."""

    def __init__(self, hpt, work, salt, run):
        self.hpt_program, self.work, self.run = hpt, work, run
        self.lab = Lab()
        subprocess.run([LAB / "lab", "up", "web1", "--bin", hpt], check=True, stdout=subprocess.DEVNULL)
        self.host = self.lab.host("web1")
        keystore = work / "web1.keystore"
        run([hpt, "gen-target-keys", "--target", "web1", "--ip", "10.77.0.11", "--output", keystore])
        unit = run([hpt, "unit-file"])[1].replace("/usr/bin/hpt", "/usr/local/bin/hpt")
        (work / "hpt.service").write_text(unit)
        self.must("install", "-d", "-m", "0700", "/etc/hpt")
        self.host.push(keystore, "/etc/hpt/keystore.db")
        self.host.push(work / "hpt.service", "/etc/systemd/system/hpt.service")
        self.must("systemctl", "enable", "--now", "hpt")
        self.host.push(salt, str(salt))
        packages = self.must("dpkg-query", "-W", "-f", "${binary:Package}\\n").split()
        packages = [name.split(":")[0] for name in packages][:150]
        pairs = list(blocks(packages))
        if len(pairs) != 1000 or len(packages) != 150:
            sys.exit(f"{len(pairs)} blocks, {len(packages)} packages")
        (work / "mixed.toml").write_text("".join(block for block, _ in pairs))
        states = work / "mixed-states"
        states.mkdir()
        (states / "mixed.sls").write_text("".join(state for _, state in pairs))
        (states / "minion").write_text("id: bench\nroot_dir: /var/salt\nfile_client: local\nfile_roots: {base: [/srv/salt]}\nlog_level: error\n")
        self.host.push(states, "/srv/salt")
        self.salt_call = [f"{salt}/bin/salt-call", "--local", "-c", "/srv/salt", "state.apply", "mixed"]

    def hpt(self, *words):
        """A command line on the workstation."""
        return self.lab.ws.inside(self.hpt_program, "--target", "web1", "--json", *words, str(self.work / "mixed.toml"))

    def must(self, *argv):
        """A command in the host that must succeed; its output."""
        command, env = self.host.command(argv)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"in the host: {argv}: {done.stdout[-800:]} {done.stderr[-800:]}")
        return done.stdout

    def salt(self):
        """Salt's seconds by the host's own clock, without the way there; and its output."""
        script = 'date +%s.%N; "$@"; code=$?; date +%s.%N; exit $code'
        first, *output, last = self.must("sh", "-c", script, "sh", *self.salt_call).splitlines()
        return float(last) - float(first), "\n".join(output)

    def server(self):
        """The process of `hpt serve`, in this machine's numbers."""
        for pid in (self.host.cgroup.rglob("cgroup.procs")):
            for number in pid.read_text().split():
                words = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")
                if words.startswith(SERVE):
                    return number
        sys.exit("hpt does not serve")

    def started(self, command):
        """How many processes the server starts, and programs they run, while `command` runs."""
        log = self.work / "strace.log"
        strace = subprocess.Popen(["strace", "-f", "-o", log, "-e", "trace=execve,execveat,fork,vfork,clone,clone3", "-p", self.server()], stderr=subprocess.DEVNULL)
        time.sleep(1)
        self.run(command)
        strace.send_signal(signal.SIGINT)
        strace.wait(10)
        calls = [line for line in log.read_text().splitlines() if re.search(r"exec|fork|clone", line) and "CLONE_THREAD" not in line]
        return len(calls)

    def close(self):
        self.lab.down([])
