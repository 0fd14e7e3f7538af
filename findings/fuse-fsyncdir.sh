#!/bin/sh
# bindfs 1.14.7 and mergerfs 2.33.5 (Debian 12): fsync of a directory succeeds and syncs nothing.
#
# A program that makes a file, syncs it and syncs its directory expects the name to survive a power cut
# (fsync(2), notes). Through these two mounts the sync of the file arrives at the file system below, the
# sync of the directory does not: neither program serves the FSYNCDIR request, the kernel takes that for
# "nothing to do" and answers 0 from then on. The program cannot notice. (gocryptfs 2.3
# forwards it: there the directory below is synced.)
#
# One would guess an error (as squashfs and erofs give one), or that a file system that forwards fsync
# of files forwards that of directories: bindfs and mergerfs exist to show another file system's
# directories, whose own fsync works.
#
# What the script does: extracts the pinned packages into a temporary folder, mounts an empty directory
# through each, with the daemon's sync calls recorded by strace, makes, writes and syncs a file and then
# its directory through the mount, and looks which syncs arrived.
#
# Seen on 2026-11-30, Debian 12, Linux 6.18:
#   bindfs:   fsync(directory) = 0; syncs below: 1 of the file, 0 of the directory
#   mergerfs: fsync(directory) = 0; syncs below: 1 of the file, 0 of the directory
#
# The script fails if this changes. Needs Debian 12 (or the packages by hand), root, /dev/fuse,
# python3 and strace.
set -eu
dir=$(mktemp -d)
daemon=
ended() {
    ! mountpoint -q "$dir/mount" || umount "$dir/mount"
    [ -z "$daemon" ] || wait "$daemon" || true
    rm -rf "$dir"
}
trap ended EXIT
mkdir "$dir/debs" "$dir/packages"
chmod 755 "$dir"
chmod 777 "$dir/debs"
(cd "$dir/debs" && apt-get download -q bindfs=1.14.7-1 mergerfs=2.33.5-1 libfuse2=2.9.9-6+b1 >/dev/null)
for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir/packages"; done
LD_LIBRARY_PATH=$(dirname "$(find "$dir/packages" -name 'libfuse.so.2' | head -n 1)")
export LD_LIBRARY_PATH

for program in bindfs mergerfs; do
    rm -rf "$dir/below" "$dir/mount"
    mkdir "$dir/below" "$dir/mount"
    strace -f -y -o "$dir/calls" -e trace=fsync,fdatasync,syncfs,sync,sync_file_range \
        "$dir/packages/usr/bin/$program" -f "$dir/below" "$dir/mount" &
    daemon=$!
    until mountpoint -q "$dir/mount"; do kill -0 "$daemon"; done
    python3 - "$dir/mount" <<'PY'
import os, sys

directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
file = os.open("record", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=directory)
os.write(file, b"record")
os.fsync(file)
os.close(file)
os.fsync(directory)
os.close(directory)
PY
    umount "$dir/mount"
    wait "$daemon" || true
    daemon=
    files=$(grep -c "sync([0-9]*<$dir/below/record>" "$dir/calls" || true)
    directories=$(grep -c "sync([0-9]*<$dir/below>\|syncfs(\|[0-9] sync(" "$dir/calls" || true)
    echo "$program: fsync(directory) = 0; syncs below: $files of the file, $directories of the directory"
    [ "$files" = 1 ] && [ "$directories" = 0 ] || { echo "the behaviour changed" >&2; exit 1; }
done
