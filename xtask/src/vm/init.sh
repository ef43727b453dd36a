#!/bin/busybox sh
# The first process of a guest: brings up what the tests stand on, runs them, says what came of it, and ends the machine.
PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp
export PATH HOME TMPDIR

busybox mkdir -p /proc /sys /dev /tmp /run /root
busybox mount -t proc proc /proc
busybox --install -s /busybox
PATH=$PATH:/busybox
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
# Not a file system of its own: the workspace, whose paths the tests know, may be below it.
chmod 1777 /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t securityfs securityfs /sys/kernel/security
# Warnings and worse still reach the console.
echo 5 >/proc/sys/kernel/printk
for module in /modules/*.ko; do
    insmod "$module" || echo "init: $module cannot be loaded"
done
ip link set lo up
echo "127.0.0.1 localhost" >/etc/hosts
: >/etc/resolv.conf
echo "passwd: files" >/etc/nsswitch.conf
echo "root:x:0:0:root:/root:/bin/sh" >/etc/passwd

echo "EGRESS-GUEST-KERNEL $(uname -r)"
. /suite/run
echo "EGRESS-GUEST-RESULT $result"
poweroff -f
