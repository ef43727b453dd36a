#!/bin/sh
# Runs a command in another userland, with this machine's kernel, devices and network: enter.sh ROOT DIRECTORY COMMAND…
# READ_ONLY names directories, one a line, that the command sees where they are on this machine; COVERED names files and directories of
# this machine that cover the userland's. The caller makes the mount namespace (unshare --mount), with which all mounts end.
# chroot(1) would not do: a process in a chroot may make no user namespace (user_namespaces(7)).
set -eu
root=$1 directory=$2
shift 2

mount --bind "$root" "$root"
for shared in /proc /sys /dev; do
    mount --rbind "$shared" "$root$shared"
done
echo "$READ_ONLY" | while read -r path; do
    mkdir -p "$root$path"
    mount -o bind,ro "$path" "$root$path"
done
echo "$COVERED" | while read -r path; do
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
    elif [ -e "$path" ]; then
        mkdir -p "$(dirname "$root$path")"
        [ -e "$root$path" ] || : >"$root$path"
    else
        continue
    fi
    mount --bind "$path" "$root$path"
done
cd "$root"
pivot_root . .
umount --lazy .
# The search path is the userland's own.
exec env --chdir="$directory" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
