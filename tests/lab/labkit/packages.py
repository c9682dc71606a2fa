"""Synthetic packages, each with one property that a provisioner has to cope with."""

import os
from pathlib import Path
from typing import NamedTuple

from .place import call, remove, write


class Package(NamedTuple):
    """What is particular to one package; `fields` are further lines of its control file."""

    name: str
    version: str = "1.0"
    fields: str = ""
    files: dict = {}
    scripts: dict = {}


def app(version):
    """A program that says its version: for upgrade, downgrade, hold."""
    return Package("lab-app", version, files={"/usr/bin/lab-app": f"#!/bin/sh\necho {version}\n"})


def conf(version):
    """A conffile that changes between versions: for the question what to do with it."""
    return Package("lab-conf", version, files={
        "/etc/lab-conf.conf": f"version = {version}\n",
        "/DEBIAN/conffiles": "/etc/lab-conf.conf\n"})


SERVICE = """\
[Unit]
Description=A service that a package ships
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
"""
START_SERVICE = """\
#!/bin/sh -e
deb-systemd-helper enable lab-svc.service >/dev/null
systemctl daemon-reload
deb-systemd-invoke start lab-svc.service >/dev/null
"""
STOP_SERVICE = """\
#!/bin/sh -e
deb-systemd-invoke stop lab-svc.service >/dev/null
"""
QUESTION = """\
Template: lab-ask/colour
Type: string
Default: blue
Description: Your favourite colour?
"""
ASK = """\
#!/bin/sh -e
. /usr/share/debconf/confmodule
db_input high lab-ask/colour || true
db_go || true
"""
ANSWER = """\
#!/bin/sh -e
. /usr/share/debconf/confmodule
db_get lab-ask/colour
echo "$RET" > /etc/lab-ask
"""

PACKAGES = [
    app("1.0"), app("1.1"), app("2.0"),
    Package("lab-dep", fields="Depends: lab-app (>= 1.1)\n"),
    Package("lab-conflict", fields="Conflicts: lab-app\n"),
    Package("lab-broken", fields="Depends: lab-nowhere\n"),
    Package("lab-bad", scripts={"postinst": "#!/bin/sh\necho lab-bad fails >&2\nexit 1\n"}),
    # Holds the dpkg lock; the seconds can be set beforehand.
    Package("lab-slow", scripts={
        "postinst": "#!/bin/sh\nsleep \"$(cat /etc/lab-slow 2>/dev/null || echo 5)\"\n"}),
    conf("1.0"), conf("2.0"),
    Package("lab-ask", fields="Depends: debconf\n", files={"/DEBIAN/templates": QUESTION},
            scripts={"config": ASK, "postinst": ANSWER}),
    Package("lab-svc", files={"/lib/systemd/system/lab-svc.service": SERVICE},
            scripts={"postinst": START_SERVICE, "prerm": STOP_SERVICE}),
]


def build(package, folder):
    """Write `package` as a .deb into `folder`."""
    tree = folder / f"{package.name}.tree"
    write(tree / "DEBIAN" / "control",
          f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\n"
          f"Maintainer: lab <root@localhost>\nSection: misc\nPriority: optional\n"
          f"{package.fields}Description: {package.name} {package.version} of the lab\n")
    for path, text in package.files.items():
        write(tree / path.lstrip("/"), text, 0o755 if "/bin/" in path else 0o644)
    for script, text in package.scripts.items():
        write(tree / "DEBIAN" / script, text, 0o755)
    call("dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, folder)
    remove(tree)


def identity():
    """What the packages are made from: a change of this file is a change of them."""
    return Path(os.path.abspath(__file__)).read_text()
