#!/bin/sh
# Keeps a mount namespace and a cgroup namespace for container engines: engine_namespaces.sh READY LIBRARIES
# The caller makes both (unshare --mount --cgroup). What engines write at fixed paths stays there: /run and /etc are copies, new entries of
# /opt, /var/lib and /var/cache are on a tmpfs, and the root of /sys/fs/cgroup is the caller's cgroup, also where the machine has the older
# hierarchies. READY is a file that is made once all is mounted; LIBRARIES names directories, with ":" between, where programs find libraries
# without a variable: engines start each other with environments of their own.
set -eu
ready=$1 libraries=$2

# Directories stay visible at their places, for this workspace may be in one of them.
cover() {
    mkdir -p "/run/covers$1"
    for entry in "$1"/*/; do
        [ -d "$entry" ] || continue
        mkdir "/run/covers$entry"
        mount --rbind "$entry" "/run/covers$entry"
    done
    mount --rbind "/run/covers$1" "$1"
}

resolvers=$(cat /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
for dir in /opt /var/lib /var/cache; do
    cover "$dir"
done
cp -a /etc /run/etc
rm -f /run/etc/resolv.conf
echo "$resolvers" >/run/etc/resolv.conf
mount --bind /run/etc /etc
echo "$libraries" | tr : '\n' >/etc/ld.so.conf.d/000-lab.conf
if [ -d /var/cache/ldconfig ]; then
    mount -t tmpfs tmpfs /var/cache/ldconfig
fi
PATH=$PATH:/sbin ldconfig -X
mount -t cgroup2 cgroup2 /sys/fs/cgroup
: >"$ready"
exec sleep infinity
