"""Where a lab keeps what, and how it starts other programs."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(os.environ.get("HPT_LAB_DIR", "/var/cache/hpt-lab")).absolute()
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class LabError(Exception):
    """One line for a person: what is missing or went wrong, and what to do."""


def named(name, what):
    """The name itself, once it is known to be safe as a path, a host name and a netns."""
    if not NAME.fullmatch(name):
        raise LabError(f"{what} `{name}`: use a-z, 0-9 and -, a letter first, at most 31")
    return name


def check_root():
    """Refuse a place that mount(8) could not be told of, or that a holder hides."""
    if not re.fullmatch(r"[A-Za-z0-9/_.-]+", str(ROOT)) or ROOT.parts[1:2] == ("run",):
        raise LabError(f"HPT_LAB_DIR={ROOT}: wants a plain path that is not in /run")


def call(*argv, stdin=None, quiet=False):
    """Run a program of this machine; its standard output, or a LabError that quotes its words."""
    argv = [str(arg) for arg in argv]
    try:
        done = subprocess.run(
            argv, input=stdin, text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL if stdin is None else None)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is missing: run tests/setup.sh") from None
    if done.returncode != 0 and not quiet:
        words = done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}"
        words = words.splitlines()
        first = next((line for line in words if "rror" in line or line.startswith("E:")), words[-1])
        raise LabError(f"{' '.join(argv[:4])}: {first.strip()}")
    return done.stdout


def write(path, text, mode=0o644):
    """Write a file so that a reader sees the old text or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        out.write(text)
    fresh.rename(path)


@contextlib.contextmanager
def locked(path):
    """Hold an exclusive lock on a file; another `lab` waits here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove(tree):
    """Delete a directory tree that may not be there."""
    shutil.rmtree(tree, ignore_errors=True)
    if tree.exists():  # an immutable file (chattr +i) that a test left
        call("chattr", "-R", "-f", "-i", "-a", tree, quiet=True)
        shutil.rmtree(tree, ignore_errors=True)
    if tree.exists():
        raise LabError(f"{tree}: cannot be removed; is a process still using it?")


def cgroup_root():
    """This machine's cgroup2 tree, wherever it is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise LabError("no cgroup2 is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
