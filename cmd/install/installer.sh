# By this file: behind its last line are program, keystore and unit.
fail() {
    echo "error: $1" >&2
    exit 1
}
refuse() { fail "$1; nothing was changed"; }
payload() { tail -n +@LINE@ "$0"; }

force=
case "$#${1-}" in
0) ;;
1--force) force=yes ;;
*) refuse "usage: sh $0 [--force]" ;;
esac
[ "$(id -u)" = 0 ] || refuse "only root can install hpt: sudo sh $0"
[ "$machine" = '@MACHINE@' ] || refuse "this host is a $machine, and this hpt is for @MACHINE@"
has_systemd || refuse "this host does not run systemd"
if has_keystore && [ -z "$force" ]; then
    refuse "this host has a keystore of hpt, somebody has installed it (--force replaces program, keys and unit)"
fi
[ "$(payload | sha256sum)" = '@SHA256@  -' ] || refuse "$0 is not whole: copy it here again, and run it as a file"
payload | {
    arrive @SIZES@
    echo "@NAME@ is installed: $version in /usr/local/bin, its keys in /etc/hpt, hpt.service enabled and started"
    echo "remove $0: it holds the private keys of @NAME@"
}
exit
