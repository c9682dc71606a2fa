# How hpt arrives on a host, whichever way it comes: as root, by `sh`. What is particular to the way follows, and says
# what `fail` does.
set -eu
umask 077
machine=$(uname -m)
has_systemd() { [ -d /run/systemd/system ]; }
has_keystore() { [ -e /etc/hpt/keystore.db ]; }

# Takes program, keystore and unit from standard input, so many bytes of each, puts all of them in place, or none, and
# starts hpt.
arrive() {
    (umask 022 && mkdir -p /usr/local/bin)
    [ -d /etc/hpt ] || mkdir -m 0700 /etc/hpt
    new_program=/usr/local/bin/.hpt.new
    new_keystore=/etc/hpt/.keystore.db.new
    new_unit=/etc/systemd/system/.hpt.service.new
    trap 'rm -f "$new_program" "$new_keystore" "$new_unit"' EXIT
    head -c "$1" > "$new_program"
    head -c "$2" > "$new_keystore"
    head -c "$3" > "$new_unit"
    [ "$(wc -c < "$new_unit")" -eq "$3" ] || fail "what was sent did not all arrive"
    chmod 0755 "$new_program"
    chmod 0644 "$new_unit"
    version=$("$new_program" --version) || fail "this hpt does not run here"
    case $version in "hpt "*) ;; *) fail "what was sent is no hpt" ;; esac
    sync
    mv -f "$new_program" /usr/local/bin/hpt
    mv -f "$new_keystore" /etc/hpt/keystore.db
    mv -f "$new_unit" /etc/systemd/system/hpt.service
    # What opened the keys that were there before (hpt seal-keystore) opens nothing any more.
    rm -f /etc/hpt/passphrase.cred /etc/systemd/system/hpt.service.d/passphrase.conf
    systemctl daemon-reload
    systemctl enable --quiet hpt.service
    systemctl restart hpt.service || fail "hpt is installed and does not start: \`journalctl -u hpt\` says why"
}

