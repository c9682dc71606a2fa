"""The workload `web`: examples/web-server on hosts of the lab, beside Ansible and pyinfra doing the same."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{HERE}/tests/lab")
os.environ["HPT_LAB_NAME"] = "bench"

from labkit.lab import Lab  # noqa: E402 (it is found by the line above)

HOSTS = ["web-hpt", "web-ansible", "web-pyinfra"]
EXAMPLE = f"{HERE}/examples/web-server"
SETTLED = r"""
set -e
curl -sSfk --resolve www.example.org:443:127.0.0.1 https://www.example.org/ | grep -q 'It works'
curl -sS --resolve www.example.org:80:127.0.0.1 http://www.example.org/ -o /dev/null -w '%{http_code}' | grep -q 301
nft list ruleset | grep -q 'policy drop'
systemctl is-enabled --quiet nginx certificate.timer
systemctl is-active --quiet nginx certificate.timer
systemctl cat certificate.service | grep -q 'ExecStartPost=.*reload nginx'
"""


def lab(*words, **kw):
    """A command of the lab, which must succeed."""
    done = subprocess.run([f"{HERE}/tests/lab/lab", *words], capture_output=True, text=True, **kw)
    if done.returncode != 0:
        sys.exit(f"lab {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class Web:
    """One host for each tool, all at the same point, and the workstation that has all three."""

    def __init__(self, work, hpt, peers):
        self.work, self.program, self.peers = work, hpt, peers

    def __enter__(self):
        lab("down")
        lab("up", *HOSTS, "--bin", str(self.program))
        place = Lab("bench")
        self.inside = ["nsenter", f"--net={place.ws.path}"]  # the lab's network, and nothing else of it
        self.ip = {host: lab("ip", host) for host in HOSTS}
        ssh = place.folder / "ssh"
        self.keys(ssh)
        return self

    def __exit__(self, *_):
        lab("down")

    def keys(self, ssh):
        """What each tool has to know beforehand."""
        work = self.work
        subprocess.run([self.program, "--target", "web", "gen-target-keys", "--ip", self.ip["web-hpt"],
                        "--output", work / "web.keystore"], check=True, capture_output=True,
                       env=os.environ | {"HPT_KEYSTORE": f"{work}/client.db"})
        unit = subprocess.run([self.program, "unit-file", "--program", "/usr/local/bin/hpt"],
                              check=True, capture_output=True, text=True).stdout
        (work / "hpt.service").write_text(unit)
        (work / "ansible.cfg").write_text(
            "[defaults]\ngathering = explicit\nlocalhost_warning = false\n"
            "[ssh_connection]\npipelining = true\n"
            f"ssh_args = -F {ssh}/config -o ControlMaster=auto -o ControlPersist=10m\n")
        (work / "hosts.ini").write_text(
            f"{self.ip['web-ansible']} ansible_python_interpreter=/usr/bin/python3\n")
        with open(f"{EXAMPLE}/templates/site.conf.j2", encoding="utf-8") as template:
            (work / "site.conf.j2").write_text(template.read().replace("vars.domain", "domain"))
        (work / "inventory.py").write_text(f"hosts = [({self.ip['web-pyinfra']!r}, " + repr({
            "example": EXAMPLE, "ssh_user": "root", "ssh_key": f"{ssh}/id_ed25519",
            "ssh_known_hosts_file": f"{ssh}/known_hosts"}) + ")]\n")

    def bare(self, host):
        """A fresh host, with what its tool wants to be there: hpt its key, Ansible python3-apt."""
        def now():
            lab("reset", host)
            lab("run", host, "--", "sh", "-c", "apt-get -qq update && apt-get -qqy install python3-apt curl")
            if host == "web-hpt":
                lab("run", host, "--", "install", "-d", "-m", "0700", "/etc/hpt")
                lab("cp", str(self.work / "web.keystore"), f"{host}:/etc/hpt/keystore.db")
                lab("cp", str(self.work / "hpt.service"), f"{host}:/etc/systemd/system/hpt.service")
                lab("run", host, "--", "systemctl", "enable", "--now", "--quiet", "hpt")
            os.sync()
        return now

    def settled(self, host):
        """Fails unless the host is what was asked for."""
        lab("run", host, "--", "sh", "-c", SETTLED)

    def commands(self):
        """What is measured, by tool."""
        return {
            "hpt": [*self.inside, str(self.program), "--target", "web", "--json", "provision", "--yes", f"{EXAMPLE}/site.toml"],
            "Ansible": [*self.inside, "env", f"ANSIBLE_CONFIG={self.work}/ansible.cfg", f"{self.peers}/bin/ansible-playbook",
                        "-i", f"{self.work}/hosts.ini", "-e", f"pages={EXAMPLE}/files",
                        "-e", f"site_template={self.work}/site.conf.j2", f"{HERE}/benches/web/playbook.yml"],
            "pyinfra": [*self.inside, "sh", "-c", 'exec "$0" "$@" 2>&1', f"{self.peers}/bin/pyinfra", "-y", "--chdir", f"{HERE}/benches/web",
                        f"{self.work}/inventory.py", "deploy.py"],
        }


def changes(tool, output):
    """How many steps a tool says it changed; fails unless it says that all went well."""
    if tool == "hpt":
        end = json.loads(output.splitlines()[-1])
        well, count = end["failed"] == end["not_run"] == 0, end["changed"]
    elif tool == "Ansible":
        recap = re.search(r"changed=(\d+) +unreachable=0 +failed=0", output)
        well, count = bool(recap), int(recap[1]) if recap else 0
    else:
        total = re.search(r"Grand total +\d+ +(\d+|-) +- +(?:\d+|-)", output)  # changed, failed, in place
        well, count = bool(total), int(total[1].replace("-", "0")) if total else 0
    if not well:
        sys.exit(f"{tool} failed:\n{output[-3000:]}")
    return count
