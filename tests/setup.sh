#!/bin/sh
# Installs what the tests need on a Debian 12 machine that has Rust, and builds the lab's image.
# May be run again at any time; takes no time when nothing is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
packages='age apt-utils bzip2 ca-certificates createrepo-c dnf dpkg-dev gcc git gnupg iproute2 libc6-dev mmdebstrap
nftables openssh-client openssl python3 python3-venv rpm rsync strace systemd-container util-linux xz-utils zstd'

fail() {
    echo "setup: $*" >&2
    exit 1
}

. /etc/os-release
[ "$ID-${VERSION_ID-}" = debian-12 ] || fail "this is $PRETTY_NAME; the lab needs Debian 12"

missing=
for package in $packages; do
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ii*) ;;
        *) missing="$missing $package" ;;
    esac
done
if [ "$(id -u)" -ne 0 ]; then
    fail "not root: run \`sudo $0\`${missing:+; it would install$missing}"
fi

if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o APT::Update::Error-Mode=any update ||
        fail 'apt-get update failed: is a Debian mirror reachable? see /etc/apt'
    # shellcheck disable=SC2086 # the packages are words
    apt-get -qqy --no-install-recommends install $missing >/dev/null ||
        fail "apt-get install$missing failed; its words are above"
else
    echo 'setup: every package is there'
fi

"$here/lab/lab" build
"$here/lab/lab" repo
"$here/lab/lab" doctor

command -v cargo >/dev/null || fail 'cargo is missing: https://rustup.rs'
if command -v cargo-nextest >/dev/null; then
    echo 'setup: ready; run the tests with: cargo nextest run'
else
    echo 'setup: ready; run the tests with: cargo test'
fi
