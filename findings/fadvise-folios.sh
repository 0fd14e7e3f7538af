#!/bin/sh
# Linux 6.18, ext4 and xfs: posix_fadvise(POSIX_FADV_DONTNEED) over whole, clean pages may drop none of them.
#
# posix_fadvise(2) says that whole pages in the range are dropped and partial ones are kept. The page
# cache, however, keeps the file in folios of many pages, and the call drops a folio only if all of it
# lies in the range. A file of 1 MiB that was written by one write(2) and synced is one folio: the
# advice over its first half, or over all of it but the last page, drops nothing and returns 0. The
# same bytes written by 256 writes of 4 KiB lie in folios of one page, and are dropped as asked.
# After the file was read instead of written the folios are those of the read-ahead, and up to a few
# pages more than asked stay.
#
# A program that drops a range in order to read back what the device holds (after a failed fsync, or to
# verify what it wrote) reads the page cache again and takes it for the device. What helps: to ask
# for the whole file (offset 0, length 0).
#
# What the script does: makes a file of 1 MiB in a temporary folder (TMPDIR names another file system),
# in both ways, syncs it, and asks fincore(1) how much is cached before and after.
#
# Seen on 2026-11-30, Linux 6.18, ext4 and xfs alike, util-linux 2.38:
#   one write,  advice over 524288:  1048576 bytes cached before, 1048576 after
#   one write,  advice over 1044480: 1048576 bytes cached before, 1048576 after
#   one write,  advice over it all:  1048576 bytes cached before, 0 after
#   256 writes, advice over 524288:  1048576 bytes cached before, 524288 after
#
# The script fails if this changes. Needs Linux, python3 and fincore (util-linux).
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "Linux $(uname -r | cut -d- -f1), $(stat -f -c %T "$dir"), $(fincore --version)"
python3 - "$dir/file" <<'PY'
import os, subprocess, sys

path, MIB = sys.argv[1], 1 << 20


def cached():
    asked = ["fincore", "--bytes", "--noheadings", "--output", "RES", path]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


def left(piece, advised):
    with open(path, "wb", buffering=0) as file:
        for _ in range(MIB // piece):
            file.write(os.urandom(piece))
        os.fsync(file.fileno())
        before = cached()
        os.posix_fadvise(file.fileno(), 0, advised, os.POSIX_FADV_DONTNEED)
    how = "one write, " if piece == MIB else f"{MIB // piece} writes,"
    over = f"{advised}:" if advised else "it all:"
    print(f"{how} advice over {over:8} {before} bytes cached before, {cached()} after")
    return cached()


seen = [left(MIB, MIB // 2), left(MIB, MIB - 4096), left(MIB, 0), left(4096, MIB // 2)]
if seen != [MIB, MIB, 0, MIB // 2]:
    sys.exit("the behaviour changed, or this file system has no folios of many pages")
PY
