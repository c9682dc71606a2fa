"""Many targets on this machine, each an `hpt serve` of its own, and the same small config said for pyinfra and for ssh."""

import json
import os
import re
import signal
import subprocess
import sys
import time

FIRST_PORT = 27000
AT_ONCE = 50

PYINFRA = """from io import StringIO
from pyinfra.operations import files, server
owner = dict(user="{owner}_u1", group="{owner}_g1")
for i in (1, 2):
    server.group(group=f"{owner}_g{{i}}")
for i in (1, 2):
    server.user(user=f"{owner}_u{{i}}", group=f"{owner}_g{{i}}", shell="/usr/sbin/nologin", ensure_home=False, create_home=False)
for path, mode in (("d1", "755"), ("d2", "750")):
    files.directory(path=f"{base}/{{path}}", mode=mode, **owner)
for i in range(10):
    files.put(src=StringIO(f"small file {{i}}\\n{{'x' * 200}}\\n"), dest=f"{base}/d1/f{{i}}", mode="640", create_remote_dir=False, **owner)
files.put(src=StringIO(open("{base}/d2/app.conf").read()), dest="{base}/d2/app.conf", mode="644", create_remote_dir=False, **owner)
"""


class Fleet:
    """So many targets, all of which are this machine; gone when closed."""

    def __init__(self, count, hpt, work, env):
        self.count, self.hpt, self.work, self.env = count, str(hpt), work / f"fleet-{count}", env
        self.env = {**env, "HPT_KEYSTORE": str(self.work / "client.db")}
        self.work.mkdir()
        self.call("gen-client-keys")
        self.serves = []
        for at in range(count):
            self.call("gen-target-keys", "--target", f"t-{at}", "--ip", "127.0.0.1", "--port", str(FIRST_PORT + at), "--output", str(self.work / f"t-{at}.keystore"))
        log = (self.work / "serve.log").open("wb")
        for at in range(count):
            self.serves.append(subprocess.Popen(
                [self.hpt, "serve", "--keystore", str(self.work / f"t-{at}.keystore"), "--listen", "127.0.0.1", "--port", str(FIRST_PORT + at), "--state", str(self.work / f"state-{at}")],
                env=self.env, stdout=subprocess.DEVNULL, stderr=log))
        for _ in range(120):
            if subprocess.run(self.words("ping"), env=self.env, capture_output=True).returncode == 0:
                return
            time.sleep(0.5)
        self.close()
        sys.exit(f"not all of {count} serves came up: {(self.work / 'serve.log').read_text()[-2000:]}")

    def call(self, *words):
        subprocess.run([self.hpt, "-q", *words], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def words(self, *words, on="*"):
        return [self.hpt, "--on", on, *words]

    def provision(self, config):
        return self.words("--json", "provision", "--yes", str(config))

    def in_place(self, output):
        """Fails unless every target has said that all is in place."""
        last = json.loads(output.splitlines()[-1])
        if last["states"] != {"done": self.count} or re.search(r'"changed":[^0f]', output):
            sys.exit(f"not all in place: {last}")

    def peak(self, words):
        """The most memory that a command takes, in KiB, and what it says."""
        client = subprocess.Popen(words, env=self.env, stdout=subprocess.PIPE, text=True)
        output = client.stdout.read()
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        if client.returncode != 0:
            sys.exit(f"{words}: exit {client.returncode}")
        return usage.ru_maxrss, output

    def close(self):
        for serve in self.serves:
            serve.send_signal(signal.SIGTERM)
        for serve in self.serves:
            serve.wait(30)


def ssh_loop(count, ssh, script):
    """What a patient administrator writes: a parallel loop over the hosts."""
    one = f"out=$({' '.join(ssh)} host-{{}} sh -s < {script}) && echo $out"
    return ["sh", "-c", f"seq {count} | xargs -P {AT_ONCE} -I{{}} sh -c '{one}'"]


def all_in_place(count):
    def check(output):
        if output.split() != ["changed=0"] * count:
            sys.exit(f"ssh: {output[-500:]}")
    return check


def pyinfra(count, root, work, base, owner):
    """The inventory, the deploy, and the command."""
    (work / "deploy.py").write_text(PYINFRA.format(base=base, owner=owner))
    data = dict(ssh_hostname="127.0.0.1", ssh_port=2622, ssh_user="root", ssh_key=f"{root}/ssh/id", ssh_known_hosts_file=f"{root}/ssh/known_hosts", ssh_strict_host_key_checking="yes")
    (work / "inventory.py").write_text(f"data = {data!r}\nhosts = [(f'host-{{i}}', data) for i in range({count})]\n")
    return [f"{root}/peers/bin/pyinfra", "-y", "--parallel", str(AT_ONCE), f"{work}/inventory.py", f"{work}/deploy.py"]


def pyinfra_in_place(output):
    if "Error" in output or re.search(r"Changed: +[1-9]", output):
        sys.exit(f"pyinfra: {output[-2000:]}")
