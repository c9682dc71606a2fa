"""The lab's network: a workstation namespace with a bridge that every host hangs on.

It has no way out: no address, route or interface of this machine is used or changed.
"""

import json
from pathlib import Path

from .place import LabError, call, write

WS = 1  # the workstation's last octet
GIT = 2  # the git server's
FIRST_HOST, LAST_HOST = 11, 250


def v4(octet):
    """The IPv4 address with this last octet."""
    return f"10.77.0.{octet}"


def v6(octet):
    """The IPv6 address with this last part, the same decimal digits as in `v4`."""
    return f"fd77::{octet}"


class Workstation:
    """The network namespace from which a person would work, and the switch in it."""

    def __init__(self, lab, folder):
        self.netns = f"hpt-lab-{lab}"
        self.path = Path("/run/netns") / self.netns
        self.links = folder / "links.json"
        self.folder = folder

    def up(self):
        """Make the namespace unless it is there."""
        if self.path.exists():
            return
        call("ip", "netns", "add", self.netns)
        call("ip", "-n", self.netns, "-batch", "-", stdin=f"""
            link set lo up
            link add br0 type bridge forward_delay 0 mcast_snooping 0
            link set br0 address 02:77:00:00:00:01
            addr add {v4(WS)}/24 dev br0
            addr add {v6(WS)}/64 dev br0 nodad
            link set br0 up
        """)
        self.links.unlink(missing_ok=True)

    def down(self):
        """Delete the namespace; what still runs in it loses its network."""
        if self.path.exists():
            call("ip", "netns", "del", self.netns)

    def inside(self, *argv):
        """The argument list that runs `argv` here, with the lab's names and ssh settings."""
        if not self.path.exists():
            raise LabError("the lab is down: lab up 1")
        binds = "".join(f"mount --bind {self.folder}/{mine} {theirs} && " for mine, theirs in
                        [("hosts.txt", "/etc/hosts"), ("ssh/config", "/etc/ssh/ssh_config")])
        return ["nsenter", f"--net={self.path}", "unshare", "--mount", "--propagation", "private",
                "sh", "-c", binds + 'exec "$@"', "ws", *argv]

    def shape(self, change):
        """Change how links behave (`change` edits the record of them) and load the new rules."""
        links = {"cut": [], "loss": {}}
        if self.links.exists():
            links = json.loads(self.links.read_text())
        change(links)
        call("nsenter", f"--net={self.path}", "nft", "-f", "-", stdin=rules(links))
        write(self.links, json.dumps(links))

    def shaped(self):
        """The record of cut and lossy links."""
        return json.loads(self.links.read_text()) if self.links.exists() else {}


def rules(links):
    """The switch's rules. What is cut becomes a black hole, as a far network would be.

    ARP and neighbour discovery still pass: else the peer would be told `no route to host`.
    """
    lines = ["ether type arp accept", "icmpv6 type { 135, 136 } accept"]
    for one, other in links["cut"]:
        lines += pair(one, other, "drop")
    for port, percent in links["loss"].items():
        dice = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        lines += pair(int(port), None, f"{dice}drop")
    chains = "".join(
        f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n"
        + "".join(f"    {line}\n" for line in lines if fits(line, hook)) + "  }\n"
        for hook in ["input", "forward", "output"])
    return f"table bridge lab\ndelete table bridge lab\ntable bridge lab {{\n{chains}}}\n"


def pair(one, other, verdict):
    """Rules for packets between two ports, or between one port and all (`other` is None)."""
    if other is None:
        return [f'iifname "p{one}" {verdict}', f'oifname "p{one}" {verdict}']
    if other == WS:
        return [f'iifname "p{one}" oifname "br0" {verdict}',
                f'iifname "br0" oifname "p{one}" {verdict}']
    return [f'iifname "p{one}" oifname "p{other}" {verdict}',
            f'iifname "p{other}" oifname "p{one}" {verdict}']


def fits(line, hook):
    """Whether a hook can know the interfaces that a rule names."""
    unknown = {"input": "oifname", "output": "iifname", "forward": None}[hook]
    return not unknown or unknown not in line


def plug(octet):
    """In a holder: a fresh network namespace `host`, on the switch, for the next boot."""
    call("ip", "netns", "del", "host", quiet=True)
    call("ip", "link", "del", f"p{octet}", quiet=True)
    call("ip", "netns", "add", "host")
    call("ip", "-batch", "-", stdin=f"""
        link add p{octet} type veth peer name eth0 address 02:77:00:00:00:{octet:02x} netns host
        link set p{octet} master br0 up
    """)
    call("ip", "-n", "host", "-batch", "-", stdin=f"""
        link set lo up
        addr add {v4(octet)}/24 dev eth0
        addr add {v6(octet)}/64 dev eth0 nodad
        link set eth0 up
    """)
