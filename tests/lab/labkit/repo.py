"""The local apt repository: real packages resolved against the image, and synthetic ones."""

import gzip
import hashlib

from . import image, packages
from .place import ROOT, LabError, call, locked, remove

REAL = ["at", "ccache", "cloud-init", "curl", "dehydrated", "dnf", "dnf-plugins-core", "gcc", "hello", "jq", "libc6-dev",
        "logrotate", "make", "nginx-light", "postgresql", "prometheus-node-exporter", "python3-apt",
        "redis-server", "rpm", "rsyslog", "tree"]
# In a throwaway layer over the image ($1 the layer, $2 the image, $3 where the .debs go).
DOWNLOAD = r"""
set -e
layer=$1 base=$2 into=$3
shift 3
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
cat /etc/resolv.conf > "$layer/root/etc/resolv.conf"
cat > "$layer/root/etc/apt/sources.list"
chroot "$layer/root" apt-get -qq -o APT::Update::Error-Mode=any update
chroot "$layer/root" apt-get -qqy --download-only --no-install-recommends install "$@"
mv "$layer"/upper/var/cache/apt/archives/*.deb "$into"
"""


def path():
    """What hosts see as /srv/lab-repo."""
    return ROOT / "repo"


def folder():
    """Where the repository of today's inputs is, built or not."""
    text = "\n".join([image.identity(), *REAL, packages.identity()])
    return ROOT / f"repo-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def ready():
    """Whether the repository of today's inputs is the one that hosts see."""
    return path().is_symlink() and path().resolve() == folder() and folder().exists()


def build():
    """Build the repository unless it is there; True when there was something to do."""
    if not image.path().exists():
        raise LabError("there is no base image: lab build")
    with locked(ROOT / "repo.lock"):
        if ready():
            return False
        fresh = folder().with_suffix(".part")
        remove(fresh)
        fresh.mkdir()
        try:
            for package in packages.PACKAGES:
                packages.build(package, fresh)
            download(fresh)
            index(fresh)
        except LabError as error:
            remove(fresh)
            raise LabError(f"local repository: {error}; it needs a Debian mirror: {image.MIRROR} "
                           "(another one: HPT_LAB_MIRROR)") from None
        remove(folder())
        fresh.rename(folder())
        link = ROOT / "repo.new"
        link.unlink(missing_ok=True)
        link.symlink_to(folder())
        link.rename(path())
        # Running hosts keep the repository that they were booted with.
        if not any(ROOT.glob("labs/*/hosts/*")):
            for old in ROOT.glob("repo-*"):
                if old != folder():
                    remove(old)
        return True


def download(into):
    """Fetch the real packages with all that they need beyond the image."""
    layer = ROOT / "repo-layer"
    remove(layer)
    layer.mkdir()
    call("unshare", "--mount", "--propagation", "private", "sh", "-c", DOWNLOAD, "sh",
         layer, image.path(), into, *REAL, stdin="\n".join(image.SOURCES) + "\n")
    remove(layer)


def index(where):
    """Write the files by which apt knows a flat repository."""
    listing = call("env", "-C", where, "apt-ftparchive", "packages", ".")
    (where / "Packages").write_text(listing)
    (where / "Packages.gz").write_bytes(gzip.compress(listing.encode(), mtime=0))
    (where / "Release").write_text(call("env", "-C", where, "apt-ftparchive", "release", "."))
