#!/bin/sh
# LevelDB 1.23 (as built into plyvel 1.5.1, Linux): a put with sync=True may be acknowledged before
# the name of the log file that holds it is durable.
#
# When the write buffer is full, LevelDB begins a new log file and goes on with it at once. It
# syncs the directory only when the manifest is synced next, which is at the end of the compaction
# that runs meanwhile on another thread. The puts in between write into the new file and sync the
# file alone. ext4 makes the name of a new file durable with the file; fsync(2) does not promise it, and
# on a file system that keeps to the letter a power cut takes puts that were acknowledged as synced.
#
# A good engineer would guess that a synced put waits for the directory as well, since the creation of
# the database does: its first log file's name is synced with the manifest before any put.
#
# What the script does: 400 puts of 1,000 bytes with sync=True and a write buffer of 64 KiB, the calls
# recorded by strace; after each put returns the program writes one line to a file descriptor of its
# own. Then it counts the puts that returned after a log file was created and before the next sync of
# the directory.
#
# Seen on 2026-11-30, Linux 6.18, ext4, strace 6.1:
#   log files begun: 8, with acknowledged puts before their directory's sync: 8
#
# The script fails if no such put is seen any more. Needs Linux, python3 with venv, and strace.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check plyvel==1.5.1

cat >"$dir/puts.py" <<'PY'
import os, sys, plyvel
acknowledged = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
with_db = plyvel.DB(sys.argv[1], create_if_missing=True, write_buffer_size=64 << 10)
for nth in range(400):
    with_db.put(b"%06d" % nth, os.urandom(1000), sync=True)
    os.write(acknowledged, b"%d\n" % nth)
with_db.close()
PY

strace -f -y -o "$dir/calls" -e trace=openat,fsync,fdatasync,write \
    "$dir/venv/bin/python" "$dir/puts.py" "$dir/db" "$dir/acknowledged" >"$dir/out" 2>&1 || {
    cat "$dir/out" >&2
    exit 2
}

cat >"$dir/count.py" <<'PY'
import re, sys
begun = exposed = 0
unsynced, first = False, True
for line in open(sys.argv[1]):
    if re.search(r'openat\(.*/db/\d+\.log", .*O_CREAT', line):
        # The first log file's name is synced with the manifest.
        unsynced, counted, first = not first, False, False
        begun += unsynced
    elif re.search(r'f(data)?sync\(\d+<[^>]*/db>', line):
        unsynced = False
    elif re.search(r'write\(\d+<[^>]*/acknowledged>', line) and unsynced and not counted:
        exposed, counted = exposed + 1, True
print(f"log files begun: {begun}, with acknowledged puts before their directory's sync: {exposed}")
sys.exit(0 if exposed else 1)
PY
python3 "$dir/count.py" "$dir/calls" || {
    echo "no put was acknowledged before the directory was synced: the behaviour changed" >&2
    exit 1
}
