# By `hpt install`, through ssh: lines that begin with "hpt " are for the hpt at the other end.
tell() { echo "hpt $*"; }
fail() {
    tell failed "$1"
    exit 1
}
tell machine "$machine"
if has_systemd; then tell init systemd; else tell init other; fi
if has_keystore; then tell keystore there; else tell keystore none; fi
tell ready

# The other end has seen that, and says how long each file is that follows.
read -r word program keystore unit || exit 0
[ "$word" = install ] || exit 0
arrive "$program" "$keystore" "$unit"
tell installed "$version"
