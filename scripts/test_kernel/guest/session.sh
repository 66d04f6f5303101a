#!/bin/sh
# What the guest does once it has its root: sets up what a booted system has, runs the command that
# it was started for, and switches itself off. Without a status file, the command has not ended.
trap 'exec /bin/busybox poweroff -f' EXIT
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# Sets $directory and $modules, and as "$@" the environment and the command.
. /test-kernel/control/command.sh

# In its usual place, where the kernel's own requests for a module find it, too: link types, rule
# expressions, queueing disciplines and socket families are loaded when they are first used.
release=$(uname -r)
mkdir -p "/lib/modules/$release"
mount --bind "$modules" "/lib/modules/$release"
# The kernel does not load the first two by itself: one makes /dev/net/tun, the other the
# net.bridge.bridge-nf-call-* settings. Of the third a host has had the settings for long.
for module in tun br_netfilter nf_conntrack; do
  modprobe "$module" || echo "warning: this kernel has no module $module" >&2
done

mount -t tmpfs tmpfs /run
mkdir -p /run/lock /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# What udev would have made.
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
# Control groups of version 1, in which a container runtime has some of its own below any others.
mount -t tmpfs tmpfs /sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
/bin/busybox hostname test-kernel
/bin/busybox ip link set lo up

# Through a pipe, as for any log: the command must not see a file that it can seek in or truncate.
mkfifo /test-kernel/output
cat /test-kernel/output >/test-kernel/report/output.log &
reader=$!
status=0
(cd "$directory" && exec env -i "$@") </dev/null >/test-kernel/output 2>&1 || status=$?
# What the command left running may hold the pipe open: wait, but not for long.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  kill -0 "$reader" 2>/dev/null || break
  sleep 0.1
done
echo "$status" >/test-kernel/control/status
