"""The git server: the host `git`, which serves one public and one private repository."""

import secrets
import subprocess
from pathlib import Path

from .place import LabError, call, write

SCRIPTS = Path(__file__).resolve().parent.parent / "git-server"
KEYS = ["deploy_key", "stranger_key"]


def serve(lab):
    """Bring the server up unless it is; what a test must know to use it, by name."""
    folder = lab.folder / "git"
    [(host, state)] = lab.up(["git"], "")
    if state != "running":
        raise LabError(f"the git server is {state}: lab run git -- systemctl --failed")
    with lab.lock():
        if out(host, "sh", "-c", "cat /srv/git/ready 2>/dev/null || true") != "ready":
            prepare(host, folder)
    return {
        "HTTPS": "https://git/public.git",
        "HTTPS_PRIVATE": "https://git/private.git",
        "SSH": "ssh://git@git/srv/git/public.git",
        "SSH_PRIVATE": "ssh://git@git/srv/git/private.git",
        "USER": "deploy",
        "TOKEN_FILE": folder / "token",
        "DEPLOY_KEY": folder / "deploy_key",
        "STRANGER_KEY": folder / "stranger_key",
        "KNOWN_HOSTS": lab.folder / "ssh" / "known_hosts",
        "CA": folder / "ca.pem",
        "COMMIT": out(host, "git", "-C", "/srv/git/public.git", "rev-parse", "main"),
    }


def prepare(host, folder):
    """Make keys here and everything else there."""
    for name in KEYS:
        if not (folder / name).exists():
            folder.mkdir(exist_ok=True)
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
    token = secrets.token_hex(16)
    write(folder / "token", token, 0o600)
    public = [(folder / f"{name}.pub").read_text().strip() for name in KEYS]
    if host.push(SCRIPTS, "/srv/git-server") != 0:
        raise LabError("cannot copy to the git server")
    out(host, "/srv/git-server/setup", *public, token)
    write(folder / "ca.pem", out(host, "cat", "/srv/git-server/ca.pem") + "\n")
    out(host, "sh", "-c", "printf ready > /srv/git/ready")


def out(host, *argv):
    """The output of a command on the server; it must succeed."""
    command, env = host.command(argv)
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"git server: {argv[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()
