#!/bin/busybox sh
# The guest's first program, in the initial RAM file system: makes the machine's own file system
# the guest's root and continues there. The machine's files are never written: an overlay in memory
# holds what the guest changes. A step that fails is the last: its message ends the console's log.
trap '/bin/busybox poweroff -f' EXIT
set -e

/bin/busybox mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# Their names sort in the order in which they depend on each other.
for module in /modules/*; do insmod "$module"; done

# cache=loose: reads are cached, as if nobody else wrote. Without it every start of a program reads
# the program again, over an emulated device.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro machine /machine
mount -t tmpfs -o size=75% tmpfs /changes
mkdir /changes/files /changes/work
# redirect_dir: a directory of the machine's can be renamed, as on any other file system. xino=off:
# inode numbers stay small; with it they pass 2^53, and JavaScript takes two files for one.
options=redirect_dir=on,xino=off
mount -t overlay -o "$options,lowerdir=/machine,upperdir=/changes/files,workdir=/changes/work" \
  overlay /root

mkdir -p /root/test-kernel/control /root/test-kernel/report /root/test-kernel/tmp
# For temporary files, which then are on the same device as their directory.
mount -t tmpfs tmpfs /root/test-kernel/tmp
for share in control report; do
  # Without a cache: the machine reads along while the guest writes.
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none "$share" \
    "/root/test-kernel/$share"
done
# busybox finds its commands by /proc, which therefore moves last.
for mounted in dev sys proc; do mount --move "/$mounted" "/root/$mounted"; done
# Not chroot: no user namespace can be made in a chroot.
exec /bin/busybox switch_root /root /bin/sh /test-kernel/control/session.sh
