#!/bin/sh
# Installs egress-enforcer from this directory, for hosts with neither dpkg nor rpm.
#   install.sh                        installs, or upgrades without ending enforcement
#   install.sh --uninstall [--purge]  ends enforcement and removes the program and its state; --purge: its configuration, too
# DESTDIR=DIR installs into an image and starts nothing.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
config=/etc/egress-enforcer/config.toml
unit=egress-enforcer.service

say() { echo "egress-enforcer: $*"; }
stop() { say "$*" >&2; exit 1; }
# The installed files, as paths from the root.
files() { (cd "$here/root" && find . -type f | sed 's/^\.//' | sort); }
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

uninstall() {
    if live; then
        systemctl disable --now "$unit" || say "the service could not be stopped" >&2
    fi
    if [ -z "$root" ] && [ -x /usr/bin/egress-enforcer ]; then
        egress-enforcer unload || say "enforcement could not be ended; a restart of the host ends it" >&2
    fi
    files | while read -r file; do
        [ "$file" = "$config" ] || rm -f "$root$file"
    done
    rm -rf "$root/usr/share/doc/egress-enforcer" "$root/var/lib/egress-enforcer" "$root/run/egress-enforcer"
    if [ "${1:-}" = --purge ]; then
        rm -f "$root$config"
        [ ! -d "$root$(dirname "$config")" ] || rmdir "$root$(dirname "$config")" 2>/dev/null || say "$(dirname "$config") has other files and is kept"
    fi
    ! live || systemctl daemon-reload
    say "removed"
}

install_files() {
    files | while read -r file; do
        mode=644
        case $file in /usr/bin/*) mode=755 ;; esac
        if [ "$file" = "$config" ] && [ -e "$root$file" ]; then
            say "$file is kept"
            continue
        fi
        mkdir -p "$root$(dirname "$file")"
        # A copy beside the old file, then a rename: a running daemon keeps its program, and no reader sees half a file.
        cp "$here/root$file" "$root$file.new"
        chmod "$mode" "$root$file.new"
        mv -f "$root$file.new" "$root$file"
    done
}

start() {
    getent group egress-enforcer >/dev/null || groupadd --system egress-enforcer \
        || addgroup -S egress-enforcer || say "cannot create the group egress-enforcer; only root can read the status"
    if live; then
        systemctl daemon-reload
        systemctl enable "$unit"
        systemctl restart "$unit" || say "the service did not start: journalctl -u $unit" >&2
        egress-enforcer doctor || say "fix what doctor reports; the service keeps trying" >&2
    else
        say "systemd does not run here: make your init run 'egress-enforcer run' before the network is up"
    fi
    if grep -q '^mode = "audit"' "$config"; then
        say "reports and drops nothing until $config names your registries and says mode = \"enforce\""
    fi
}

[ -d "$here/root" ] || stop "run this from the unpacked archive: $here/root is not there"
if [ -z "$root" ]; then
    [ "$(id -u)" = 0 ] || stop "only root can install this"
    # shellcheck disable=SC2016 # the format is dpkg-query's
    if [ "$(dpkg-query -W -f '${db:Status-Status}' egress-enforcer 2>/dev/null)" = installed ] \
        || rpm -q egress-enforcer >/dev/null 2>&1; then
        stop "a package of this name is installed: use apt or rpm"
    fi
fi
case "${1:-}" in
--uninstall) uninstall "${2:-}" ;;
"")
    install_files
    [ -n "$root" ] || start
    say "installed"
    ;;
*) stop "unknown: $1; see the first lines of $0" ;;
esac
