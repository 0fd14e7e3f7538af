#!/usr/bin/env python3
"""A second reader of Seawall logs, written from docs/FORMAT.md.

It shares no line with the library: where the two agree, the document is enough to read a log. It
never writes. Nobody may write to the log meanwhile: beside a writer use `seawall`.

What it prints with --json is what `seawall` prints with the same words; `frames` is its own.
"""

import argparse
import json
import os
import re
import stat
import struct
import sys

VERSION = 1
BLOCK = 4096
FRAMES_AT = 2 * BLOCK
TRAILER_LEN = 64
JUMP = 1 << 33
FILE_LEN_MAX = 2 << 30
BODY_LEN_MAX = (256 << 20) + 4
CLOSE_MARK_LEN = 40
RECORD, BATCH, VOID, IDLE_MARK, TRIM, CLOSE_MARK, GAP = range(1, 8)
KINDS = [None, "record", "batch", "void", "idle mark", "trim", "close mark", "gap"]
# Of later releases: passed over.
SKIPPABLE = range(64, 128)
CONTINUES, MARKED = 1, 2
EXTENDED = 1
SEAL, CLOSE_RECORD = 1, 2
NAME = re.compile(r"([0-9]{20})\.(seg|spare)", re.ASCII)
# Bytes 16 to 19 of a frame: cheaper to look for than a check. The last two may be a tag.
ANY_FRAME = re.compile(rb"(?=[\x01\x02][\x00-\x03]..|[\x03-\x07][\x00-\x03]\x00\x00|[\x40-\x7f]\x00..)",
                       re.DOTALL)
WINDOW = 1 << 20
CLEAN, FAILED, TORN, DAMAGED, UNKNOWN = 0, 1, 2, 3, 5
# The recovery table: what follows if W <= E, and if W > E.
TABLE = {
    "Trimmed": ("Remove", "Remove"), "Zeros": ("End", "Damage"), "Closed": ("End", "Damage"),
    "Undecodable": ("Cut", "Damage"), "HalfBatch": ("Cut", "Damage"),
    "Shortened": ("Damage", "Damage"), "OneCopy": ("Rebuild", "Rebuild"),
    "Unborn": ("Reuse", "Damage"), "HeaderLost": ("Damage", "Damage"), "NotLog": ("Spare", "Damage"),
    "Contradiction": ("Damage", "Damage"), "Missing": ("Damage", "Damage"),
    "Torn": ("Cut", "Damage"), "Dropped": ("Cut", "Remove"),
}


class Refused(Exception):
    """The log cannot be judged: the exit code says which way."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Invalid(Exception):
    """These bytes are not what was looked for."""


class Unknown(Invalid):
    """An intact frame of a kind, or with flags, that this version does not have."""


def name_of(kind):
    return f"kind {kind}, passed over" if kind in SKIPPABLE else KINDS[kind]


def file_of(number):
    return f"{number:020}.seg"


A_GAP = "a gap"


def damaged(number, offset, start, end, cause):
    """A range that cannot be read back."""
    return {"segment": number, "file": file_of(number), "offset": offset, "from": start, "to": end,
            "recorded": cause == A_GAP, "cause": cause}


def table_of(polynomial):
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (polynomial if entry & 1 else 0)
        entries.append(entry)
    return entries


def crc(table, ones, pieces):
    value = ones
    for piece in pieces:
        for byte in piece:
            value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ ones


CRC32C, CRC64 = table_of(0x82F63B78), table_of(0xC96C5795D7870F42)
# By the highest byte of an entry, which no other has: which entry it is.
ENTRY = {entry >> 24: index for index, entry in enumerate(CRC32C)}


def crc32c(*pieces):
    return crc(CRC32C, 0xFFFFFFFF, pieces)


def crc64(data):
    return crc(CRC64, 0xFFFFFFFFFFFFFFFF, [data])


def crc32c_before(after, data):
    """What a CRC-32C was before these bytes, if it is `after` behind them."""
    value = after ^ 0xFFFFFFFF
    for byte in reversed(data):
        index = ENTRY[value >> 24]
        value = (value ^ CRC32C[index]) << 8 & 0xFFFFFFFF | index ^ byte
    return value ^ 0xFFFFFFFF


def crc32c_on(before, data):
    """A CRC-32C that goes on from `before`."""
    return crc(CRC32C, before ^ 0xFFFFFFFF, [data]) ^ before


class File:
    """A file, read in windows of bounded size, whatever lengths its bytes claim."""

    window = (None, 0, b"")

    def __init__(self, path):
        self.path = path
        with self.opened() as file:
            status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Refused(FAILED, f"{path} is no regular file")
        self.size = status.st_size

    def opened(self):
        # A link is no file of ours, and a pipe must not keep us waiting.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(self.path, "rb", buffering=0, opener=lambda path, _: os.open(path, flags))

    def at(self, offset, length):
        """`length` bytes, or fewer where the file ends."""
        length = max(0, min(length, self.size - offset))
        owner, start, window = File.window
        if owner is not self or offset < start or offset + length > start + len(window):
            pieces, wanted = [], min(max(length, WINDOW), self.size - offset)
            with self.opened() as file:
                file.seek(offset)
                while wanted > 0 and (piece := file.read(min(wanted, WINDOW))):
                    pieces.append(piece)
                    wanted -= len(piece)
            if wanted > 0:
                raise Refused(FAILED, f"{self.path}: fewer bytes are read than the file has")
            start, window = offset, b"".join(pieces)
            File.window = self, start, window
        return window[offset - start:offset - start + length]

    def pieces(self, start, end, more=0):
        """The bytes from `start` to `end`, window by window, each with `more` of the next."""
        for at in range(start, min(end, self.size), WINDOW):
            yield at, self.at(at, min(WINDOW + more, end - at))

    def is_zero(self, start, end):
        return all(piece.count(0) == len(piece) for _, piece in self.pieces(start, end))


class Trailer:
    """The last 64 bytes of a file, as a seal or a close record."""

    def __init__(self, data):
        if len(data) < TRAILER_LEN:
            raise Invalid("the file ends")
        (magic, self.kind, zeros, self.end, self.salt, self.last_check, more, frames, most,
         check) = struct.unpack("<8sIIQQIIQQQ", data)
        if magic != b"SWTRAIL\0" or check != crc64(data[:56]):
            raise Invalid("magic or check")
        if self.kind not in (SEAL, CLOSE_RECORD) or zeros or more or most or self.end % 8 or (
                self.kind == CLOSE_RECORD and frames):
            raise Invalid("fields")


class Header:
    """One copy of a segment header."""

    LAYOUT = struct.Struct("<8sII16sQQQQQIIQ8sQQIHHQ")

    def __init__(self, data, name):
        if len(data) < 128:
            raise Invalid("the file ends")
        (magic, version, flags, self.log, self.number, self.base, self.salt, self.file_len,
         self.prev_end, self.prev_check, skipped, self.trim, content, self.lineage, self.home,
         unproven, content_version, most, check) = self.LAYOUT.unpack(data)
        if magic != b"SEAWALL\0" or check != crc64(data[:120]):
            raise Invalid("magic or check")
        if version != VERSION or flags & ~EXTENDED:
            what = f"flags {flags:#x}" if version == VERSION else f"version {version}"
            raise Refused(UNKNOWN, f"{name} is of format {what}, this reads up to version {VERSION}")
        name = content.rstrip(b"\0").decode("latin-1")
        plain = all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in name)
        self.content = {"name": name, "version": content_version}
        extended = any(data[88:120])
        jumps, self.durable = self.base == self.prev_end + JUMP, self.prev_end - unproven
        self.prev_number = self.number - 1 - skipped
        sound = (self.number >= 1 and not most
                 and (not skipped or jumps and self.prev_number >= 1)
                 and self.durable >= 0 and unproven % 8 == 0 and not (unproven and jumps)
                 and extended == bool(flags) and plain and (name or not content_version)
                 and (not self.lineage or self.lineage >> 48)
                 and not (self.prev_end | self.trim) % 8 and self.trim <= self.durable
                 and self.base in (self.prev_end, self.prev_end + JUMP)
                 and self.file_len % BLOCK == 0 and 4 * BLOCK <= self.file_len <= FILE_LEN_MAX
                 and self.base + self.file_len < 1 << 64)
        if not sound:
            raise Invalid("fields")
        self.use = self.log + self.salt.to_bytes(8, "little")
        self.frames_end = self.base + self.file_len - TRAILER_LEN - FRAMES_AT


class Tiles:
    """The records of a batch, without a list of them: of four bytes each there may be many."""

    def __init__(self, body):
        self.body, self.count, at = body, 0, 0
        while at < len(body):
            at += 4 + int.from_bytes(body[at:at + 4], "little")
            self.count += 1
        if at != len(body) or not self.count:
            raise Invalid("the records do not tile the batch")

    def __len__(self):
        return self.count

    def __iter__(self):
        at = 0
        while at < len(self.body):
            start = at + 4
            at = start + int.from_bytes(self.body[at:start], "little")
            yield self.body[start:at]


def has_sound_kind(kind, flags, tag):
    """Law 2."""
    if kind in SKIPPABLE:
        return flags == 0
    marked = bool(flags & MARKED)
    return (RECORD <= kind <= GAP and not flags & ~(CONTINUES | MARKED)
            and (kind == BATCH or not flags & CONTINUES) and (kind in (RECORD, BATCH) or tag == 0)
            and (marked or kind not in (IDLE_MARK, CLOSE_MARK))
            and not (marked and kind in (VOID, GAP)))


class Frame:
    """A frame whose header holds, with its mark if it has one: laws 1 to 4 but for its end."""

    LAYOUT = struct.Struct("<IIIIBBH")

    def __init__(self, segment, lsn):
        self.segment, self.lsn = segment, lsn
        self.offset = segment.offset(lsn)
        head = segment.file.at(self.offset, min(32, segment.header.frames_end - lsn))
        if len(head) < 20:
            raise Invalid("no room for a frame")
        if not any(head[:20]):
            raise Invalid("zeros")
        (self.check, self.body_len, self.body_check, self.prev, self.kind, self.flags,
         self.tag) = self.LAYOUT.unpack(head[:20])
        use, at = segment.header.use, lsn.to_bytes(8, "little")
        if self.check != crc32c(use, at, head[4:20]):
            raise Invalid("the check does not match")
        kind, marked = self.kind, bool(self.flags & MARKED)
        self.continues = bool(self.flags & CONTINUES)
        if not has_sound_kind(kind, self.flags, self.tag):
            raise Unknown(f"kind {kind} with flags {self.flags:#x}")
        if self.body_len > (FILE_LEN_MAX if kind in (VOID, GAP) else BODY_LEN_MAX):
            raise Invalid("the body is too long")
        self.durable = None
        if marked:
            if len(head) < 32:
                raise Invalid("no room for a mark")
            self.durable, mark_check = struct.unpack("<QI", head[20:32])
            holds = mark_check == crc32c(use, b"mark", at, head[20:28])
            if not holds or self.durable % 8 or self.durable > lsn:
                raise Invalid("the mark does not verify")
        self.len = 20 + 12 * marked + self.body_len
        self.end = lsn + (self.len + 7 & ~7)

    def records(self, limit):
        """The records; laws 3 to 6, for a frame that must end at `limit` at the latest."""
        if self.end > limit:
            raise Invalid("the frame ends too late")
        if self.kind in (VOID, GAP):
            return []
        self.body = self.segment.file.at(self.offset + self.len - self.body_len, self.body_len)
        if len(self.body) < self.body_len or crc32c(self.body) != self.body_check:
            raise Invalid("the body does not verify")
        if self.kind == RECORD:
            return [self.body]
        if self.kind == BATCH:
            return Tiles(self.body)
        if self.kind in SKIPPABLE:
            return []
        if self.kind == IDLE_MARK and self.body or self.kind != IDLE_MARK and (
                len(self.body) != 8 or self.body[0] % 8):
            raise Invalid("the body is none of its kind")
        return []

    def trim(self):
        """The trim point that a control frame states; one behind itself it cannot know."""
        if self.kind not in (TRIM, CLOSE_MARK):
            return 0
        return min(int.from_bytes(self.body, "little"), self.lsn)


class Segment:
    """A file with a good header."""

    def __init__(self, name, file, header):
        self.name, self.file, self.header, self.number = name, file, header, header.number
        self.closed = None

    def offset(self, lsn):
        return FRAMES_AT + lsn - self.header.base

    def is_begun(self):
        """Whether the first frame header in the file keeps law 1 with this header."""
        head = self.file.at(FRAMES_AT, 20)
        at = self.header.base.to_bytes(8, "little")
        return len(head) == 20 and any(head) and head[:4] == crc32c(
            self.header.use, at, head[4:]).to_bytes(4, "little")

    def frame(self, lsn, prev, limit):
        """The frame at this place with its records, all laws kept; law 7 unless `prev` is None."""
        frame = Frame(self, lsn)
        if prev is not None and frame.prev != prev:
            raise Invalid("the chain is broken")
        return frame, frame.records(limit)

    def candidates(self, start, end):
        """Places where a frame may begin, by its kind and flags alone."""
        for at, piece in self.file.pieces(self.offset(start), self.offset(end), 32):
            for found in ANY_FRAME.finditer(piece, 16):
                place = found.start() - 16
                if place % 8 == 0 and place < WINDOW:
                    yield at + place - FRAMES_AT + self.header.base


class Tail:
    """What the frames of a segment end in: E, W and the row. `closed` is where a successor says that it
    ends which does not vouch for it; nothing before the trim point is walked then."""

    def __init__(self, segment, closed=None, trim=0):
        self.segment, header = segment, segment.header
        self.end, self.check = header.base, header.prev_check
        self.proven, self.trim, self.why = header.durable, header.trim, None
        self.beyond, self.readable, self.clean, self.row = 0, 0, False, "Undecodable"
        self.readable_check = None
        self.sealed, self.room_end, needed = None, header.frames_end, header.file_len
        if closed is not None:
            closed = max(closed, header.base)
            self.room_end, needed = min(self.room_end, closed), segment.offset(closed)
        self.look_for_seal(min(segment.file.size, header.file_len), header.base)
        # A clean close may have cut the file: then its record ends that.
        if closed is None and self.closed_cleanly(min(segment.file.size, header.file_len)):
            return
        short = segment.file.size < needed and self.sealed is None
        self.run(self.check)
        if closed is not None and self.end < trim < self.room_end:
            self.end = trim
            self.run(None)
        if short:
            self.row = "Shortened"
            return
        if self.sealed is None and closed is None:
            end = segment.offset(self.end) + TRAILER_LEN
            self.look_for_seal(min(-(-end // BLOCK) * BLOCK, header.file_len), self.end)
        if self.sealed == self.end:
            self.row, self.proven = "Closed", max(self.proven, self.end)
        else:
            self.search()

    def look_for_seal(self, file_len, at_least):
        """A seal that would be the end of a file of this length."""
        segment = self.segment
        try:
            seal = Trailer(segment.file.at(file_len - TRAILER_LEN, TRAILER_LEN))
        except Invalid:
            return
        room_end = segment.header.base + file_len - TRAILER_LEN - FRAMES_AT
        if (seal.kind == SEAL and seal.salt == segment.header.salt
                and at_least <= seal.end <= room_end):
            self.sealed = self.beyond = self.room_end = seal.end

    def closed_cleanly(self, file_len):
        """A close record that ends a file of this length."""
        segment, header = self.segment, self.segment.header
        room_end = min(self.room_end, header.base + file_len - TRAILER_LEN - FRAMES_AT)
        try:
            record = Trailer(segment.file.at(file_len - TRAILER_LEN, TRAILER_LEN))
        except Invalid:
            return False
        end, last, mark_at = record.end, record.last_check, record.end - CLOSE_MARK_LEN
        if (record.kind != CLOSE_RECORD or record.salt != header.salt
                or mark_at < header.base or end > room_end):
            return False
        self.beyond = mark_at
        try:
            mark, _ = segment.frame(mark_at, None, end)
        except Invalid:
            return False
        if mark.kind != CLOSE_MARK or mark.check != last:
            return False
        self.end = self.proven = end
        self.check, self.trim, self.beyond = last, max(self.trim, mark.trim()), 0
        self.clean, self.row = True, "Closed"
        return True

    def run(self, prev):
        segment, in_batch, lsn = self.segment, False, self.end
        self.row, self.why = "Zeros", None
        while lsn < self.room_end:
            try:
                frame, _ = segment.frame(lsn, prev, self.room_end)
            except Unknown as unknown:
                raise Refused(UNKNOWN, f"{segment.name} at LSN {lsn}: {unknown}") from None
            except Invalid as why:
                self.row, self.why = "Undecodable", str(why)
                break
            if in_batch and frame.kind not in (BATCH, GAP):
                break
            self.proven = max(self.proven, frame.durable or 0)
            lsn, prev, in_batch = frame.end, frame.check, frame.continues
            if not in_batch:
                self.end, self.check, last_kind = lsn, prev, frame.kind
                self.trim = max(self.trim, frame.trim())
        if self.end > segment.header.base and last_kind == CLOSE_MARK:
            self.row = "Closed"
        elif in_batch:
            self.row, self.why = "HalfBatch", "a batch lacks its end"

    def search(self):
        segment, room_end, last_marked = self.segment, self.room_end, None
        for lsn in segment.candidates(self.end, room_end):
            try:
                frame = Frame(segment, lsn)
            except Invalid:
                continue
            if frame.durable is not None and frame.check | frame.body_len:
                self.beyond, last_marked = max(self.beyond, frame.durable), lsn
        start, end = segment.offset(self.end), segment.offset(room_end)
        if self.row == "Undecodable" and segment.file.is_zero(start, end):
            self.row = "Zeros"
        self.proven = max(self.proven, self.beyond)
        if self.beyond <= self.end:
            return
        # What stands behind the damage in one row with the last mark is read, too.
        self.readable, prev = max(self.beyond, last_marked or 0), None
        while last_marked is not None and last_marked < room_end:
            try:
                frame, _ = segment.frame(last_marked, prev, room_end)
            except Invalid:
                break
            last_marked, prev = frame.end, frame.check
            self.readable = max(self.readable, last_marked)
        self.readable_check = prev if self.readable == last_marked else None

    def readable_end(self):
        """How far it is read, and the check of the frame that ends there, if one does."""
        if self.readable > self.end:
            return self.readable, self.readable_check
        return self.end, self.check


class Nameless:
    """A file of full length whose header is gone or never was, and whose first frame block is zeros."""

    def __init__(self, file):
        self.file = file

    def was_begun(self, tail, cut):
        """Whether anything proves it: `tail` is that of the segment before, if there is one; `cut` where the
        log ends if that goes with a tail."""
        if tail is None or tail.trim == 0:
            return not self.file.is_zero(FRAMES_AT + BLOCK, self.file.size)
        room = self.file.size - TRAILER_LEN - FRAMES_AT
        bases = [tail.end, tail.end + JUMP] + ([cut + JUMP] if cut is not None else [])
        return self.ends_later(tail.end, room, bases) or self.has_mark(bases)

    def ends_later(self, end, room, bases):
        try:
            stated = Trailer(self.file.at(self.file.size - TRAILER_LEN, TRAILER_LEN)).end
        except Invalid:
            return False
        return stated > end and any(base <= stated <= base + room for base in bases)

    def has_mark(self, bases):
        start = FRAMES_AT + BLOCK
        for at, piece in self.file.pieces(start, self.file.size - TRAILER_LEN, 32):
            for found in ANY_FRAME.finditer(piece, 16):
                place = found.start() - 16
                if place % 8 or place >= WINDOW:
                    continue
                head, lsn = piece[place:place + 32], at + place - FRAMES_AT
                if any(self.is_marked(head, base, base + lsn) for base in bases):
                    return True
        return False

    @staticmethod
    def is_marked(head, base, lsn):
        if len(head) < 32 or not any(head[:8]):
            return False
        (check, body_len, _, _, kind, flags, tag, durable,
         mark_check) = struct.unpack("<IIIIBBHQI", head)
        if not flags & MARKED or durable % 8 or not base <= durable <= lsn:
            return False
        if not has_sound_kind(kind, flags, tag) or body_len > BODY_LEN_MAX:
            return False
        at = lsn.to_bytes(8, "little")
        use = crc32c_before(check, at + head[4:20])
        return mark_check == crc32c_on(use, b"mark" + at + head[20:28])


class Stop:
    """A segment that ends otherwise than its successor says."""

    def __init__(self, segment, tail, stated):
        self.segment, self.tail, self.stated = segment, tail, stated
        torn = "Contradiction" if tail.end == stated else "Torn"
        self.row = "Shortened" if tail.row == "Shortened" else torn

    def is_cut(self):
        return TABLE[self.row][self.tail.beyond > self.tail.end] == "Cut"


class Log:
    """What a directory holds, judged by the recovery table."""

    def __init__(self, directory):
        self.findings, self.damage, self.first_damage, self.spares = [], [], None, []
        files, above, passed_over = {}, None, []
        for number, name in reversed(self.listed(directory)):
            if above and above.prev_number < number < above.number:
                passed_over.append(number)
                continue
            files[number] = self.look_at(number, name, os.path.join(directory, name))
            above = files[number][0].header if files[number][0] else above
        files = dict(sorted(files.items()))
        good = [segment for segment, _ in files.values() if segment]
        owners = sorted({segment.header.log.hex() for segment in good})
        if len(owners) > 1:
            raise Refused(UNKNOWN, "segments of several logs: " + ", ".join(owners))
        self.id = owners[0] if owners else None
        self.last = good[-1] if good else None
        self.walk(good)
        self.tail = self.tails[self.last.number] if good else None
        self.end = self.tail.end if good else 0
        stop = self.stop(good)
        self.trim = (stop.tail.trim if stop and stop.is_cut() else self.tail.trim) if good else 0
        self.next_number = self.last.number + 1 if good else 1
        self.sealed = self.tail.sealed if good else None
        if self.next_number in files:
            end = stop.tail.end if stop and stop.is_cut() else None
            row = self.row_behind(directory, files[self.next_number][1], end)
            files[self.next_number] = files[self.next_number][0], row
        for one, after in zip(good, good[1:]):
            if one.header.trim > after.header.trim:
                self.find(after.number, 0, "Contradiction", True)
                self.lost(after.number, 0, after.header.trim, one.header.trim,
                          "its trim point is below an earlier one")
        for one, after in zip(good, good[1:]):
            if one.header.content != after.header.content:
                self.find(after.number, 0, "Contradiction", True)
                self.lost(after.number, 0, after.header.base, after.header.base,
                          "its records mean something else than earlier ones")
        begin = max([s.number for s in good if s.header.prev_end <= self.trim], default=1)
        self.segments = []
        for number in passed_over:
            self.find(number, 0, "Dropped", True)
        for number, (segment, row) in files.items():
            if number < begin:
                self.find(number, 0, "Trimmed")
            else:
                after = next((s for s in good if s.number > number), None)
                self.judge(number, segment, row, after)
        if self.sealed is not None and self.next_number not in files:
            self.miss_next(self.sealed)
        cut = stop is not None and stop.is_cut()
        wrong = [found["file"] for found in self.findings if found["decision"] == "Damage"]
        if cut and all(name <= stop.segment.name for name in wrong):
            self.cut(stop, files)
        if good:
            self.judge_tail()
        if stop and not cut:
            self.judge_stop(stop)
        for segment in self.segments[:-1]:
            if not segment.closed:
                segment.closed = Tail(segment).readable_end()

    def walk(self, good):
        """From the last segment down, to the first of which it is proven that all before it was durable."""
        self.tails, self.stated, above = {}, 0, None
        for segment in reversed(good):
            header = segment.header
            closed = above and above.prev_number == segment.number
            trim = self.tails[good[-1].number].trim if closed else 0
            tail = Tail(segment, above.prev_end if closed else None, trim)
            self.tails[segment.number], above = tail, header
            self.stated = max(self.stated, header.durable, tail.proven, tail.beyond)
            if header.prev_end <= self.stated:
                break

    def stop(self, good):
        """The first of them that does not end as its successor says."""
        walked = [segment for segment in good if segment.number in self.tails]
        for segment, after in zip(walked, walked[1:]):
            tail, stated = self.tails[segment.number], (after.header.prev_end, after.header.prev_check)
            if after.header.prev_number == segment.number and (tail.end, tail.check) != stated:
                tail.beyond = max(tail.beyond, self.stated)
                return Stop(segment, tail, stated[0])
        return None

    def cut(self, stop, files):
        """The log ends there: what is behind goes with the tail."""
        self.last, self.tail, self.end = stop.segment, stop.tail, stop.tail.end
        self.tail.row = "Torn"
        self.segments = [segment for segment in self.segments if segment.number <= self.last.number]
        self.last.closed = None
        for number, (segment, _) in files.items():
            if segment and number > self.last.number:
                self.find(number, 0, "Dropped")

    def judge_stop(self, stop):
        if stop.row == "Shortened":
            return
        tail, number, offset = stop.tail, stop.segment.number, stop.segment.offset(stop.tail.end)
        if self.find(number, offset, stop.row, tail.beyond > tail.end) == "Damage":
            self.lost(number, offset, tail.end, min(tail.beyond, stop.stated),
                      tail.why or "frames are missing")

    def listed(self, directory):
        names = []
        with os.scandir(directory) as entries:
            for entry in entries:
                match = NAME.fullmatch(entry.name)
                if match and 1 <= int(match[1]) < 1 << 64:
                    if match[2] == "seg":
                        names.append((int(match[1]), entry.name))
                    elif entry.is_file(follow_symlinks=False):
                        self.spares.append(entry.name)
        self.spares.sort()
        return sorted(names)

    @staticmethod
    def look_at(number, name, path):
        """The segment, if a header is good, and the row of a bad one."""
        file, copies = File(path), []
        for at in (0, BLOCK):
            try:
                copies.append((Header(file.at(at, 128), name), file.at(at, 128)))
            except Invalid:
                pass
        ours = [copy for copy in copies if copy[0].number == number]
        if ours:
            both = len(ours) == 2 and ours[0][1] == ours[1][1]
            segments = [Segment(name, file, header) for header, _ in ours]
            begun = [segment for segment in segments if segment.is_begun()]
            return (begun or segments)[0], None if both else "OneCopy"
        if copies:
            return None, "NotLog"
        whole = file.size % BLOCK == 0 and 4 * BLOCK <= file.size <= FILE_LEN_MAX
        unborn = whole and file.is_zero(FRAMES_AT, FRAMES_AT + BLOCK)
        return None, "Unborn" if unborn else "HeaderLost"

    def row_behind(self, directory, row, cut):
        """The row of the file with the next number: whether a segment was begun there."""
        if self.tail and self.tail.clean:
            return "NotLog" if row == "HeaderLost" else row
        if row == "Unborn" and self.sealed is None:
            file = File(os.path.join(directory, file_of(self.next_number)))
            return "HeaderLost" if Nameless(file).was_begun(self.tail, cut) else row
        return row

    def find(self, number, offset, row, beyond=False):
        self.findings.append({"file": file_of(number), "offset": offset, "row": row,
                              "proven_beyond": beyond, "decision": TABLE[row][beyond]})
        return TABLE[row][beyond]

    def lost(self, number, offset, start, end, cause, told=True):
        """A damaged range; with `told` unset a neighbour tells of it as well."""
        damage = damaged(number, offset, start, max(start, end), cause)
        self.first_damage = self.first_damage or damage
        if told:
            self.damage.append(damage)

    def judge(self, number, segment, row, after):
        before = self.segments[-1] if self.segments else None
        beyond = after is not None or self.sealed is not None and number == self.next_number
        if not before:
            lost_from = self.trim
        elif before.closed:
            lost_from = before.closed[0]
        else:
            end = self.end if self.sealed is None else self.sealed
            lost_from = end if before is self.last else before.header.base
        lost_to = after.header.prev_end if after else lost_from
        if row and self.find(number, 0, row, beyond) == "Damage":
            self.lost(number, 0, lost_from, lost_to, row, told=after is None)
        if row == "Unborn" and not beyond and number != self.next_number:
            self.miss_next(lost_from)
        if not segment:
            return
        header = segment.header
        missing = None
        if before and before.number != header.prev_number:
            missing = before.number + 1, before.header.base
        elif not before and number != 1 and header.prev_end > self.trim:
            missing = header.prev_number, self.trim
        if missing:
            self.find(missing[0], 0, "Missing", True)
            self.lost(missing[0], 0, missing[1], header.prev_end, "the segment is missing")
        if number == 1 and header.prev_end != 0:
            self.find(1, 0, "Contradiction")
            self.lost(1, 0, 0, header.prev_end, "the first segment follows something")
        if after and after.header.prev_number == number:
            segment.closed = after.header.prev_end, after.header.prev_check
            self.judge_closed(segment, after.header.prev_end)
        self.segments.append(segment)

    def miss_next(self, lost_from):
        """The segment behind the last one was begun and is gone: told once."""
        name = file_of(self.next_number)
        if not any(found["file"] == name and found["decision"] == "Damage" for found in self.findings):
            self.find(self.next_number, 0, "Missing", True)
            self.lost(self.next_number, 0, lost_from, lost_from, "the segment is missing")

    def judge_closed(self, segment, end):
        header, size = segment.header, segment.file.size
        if not header.base <= end <= header.frames_end:
            self.find(segment.number, 0, "Contradiction", True)
            self.lost(segment.number, 0, header.base, max(end, header.base), "its end cannot be")
        elif size < segment.offset(end):
            self.find(segment.number, size, "Shortened", True)
            kept = header.base + max(0, size - FRAMES_AT) // 8 * 8
            self.lost(segment.number, size, kept, end, "the file is too short")

    def judge_tail(self):
        tail, number, offset = self.tail, self.last.number, self.last.offset(self.tail.end)
        decision = self.find(number, offset, tail.row, tail.beyond > tail.end)
        if decision == "Damage":
            end = max(tail.beyond, tail.end)
            if tail.row == "Shortened":
                end = self.last.header.frames_end
            self.lost(number, offset, tail.end, end, tail.why or "frames are missing")

    def torn(self):
        tail = self.tail
        return bool(tail) and TABLE[tail.row][tail.beyond > tail.end] == "Cut"

    def code(self, damage):
        """How to end, if this damage was met."""
        hurt = damage or any(found["decision"] == "Damage" for found in self.findings)
        return DAMAGED if hurt else TORN if self.torn() else CLEAN

    def first(self):
        if self.segments and self.segments[0].header.prev_end == self.trim:
            return self.segments[0].header.base
        return self.trim

    def proven(self):
        return min(max(self.tail.proven, self.stated), self.end) if self.tail else 0

    def limit(self, segment):
        """How far a segment is read, and the check of the last frame there if it is known."""
        if segment.closed:
            end, check = segment.closed
        else:
            end, check = max(self.end, self.tail.readable), None
        room_end = segment.header.frames_end
        return (end, check) if end <= room_end else (room_end, None)

    def read(self, start=0):
        """Every frame from `start` on with its records, and every damage that reading meets."""
        at, before, self.skip_batch = max(start, self.trim), None, False
        for segment in self.segments:
            limit, check = self.limit(segment)
            if limit > at:
                hole = segment.header.prev_end
                if self.trim <= at < hole:
                    number = before.number + 1 if before else segment.number - 1
                    yield None, damaged(number, 0, at, hole, "the segment is missing")
                yield from self.read_segment(segment, at, limit, check)
                at = limit
            before = segment

    def read_segment(self, segment, came_from, limit, end_check):
        def lost(start, end, why):
            # An end before the base is a contradiction; there is no such byte.
            offset = segment.offset(max(start, segment.header.base))
            return None, damaged(segment.number, offset, start, end, why)

        prev, skip_batch = None, self.skip_batch
        lsn = max(came_from, segment.header.base)
        if lsn == segment.header.base:
            prev, skip_batch = segment.header.prev_check, False
        while lsn < limit:
            try:
                frame, records = segment.frame(lsn, prev, limit)
            except Unknown as unknown:
                raise Refused(UNKNOWN, f"{segment.name} at LSN {lsn}: {unknown}") from None
            except Invalid as why:
                boundary = self.aligned(segment, lsn, limit) if prev is None else None
                if boundary:
                    came, (lsn, prev, in_gap) = lsn, boundary
                    if in_gap:
                        yield lost(came, lsn, A_GAP)
                    continue
                found = self.resumed(segment, lsn, limit)
                skip_batch = found is None or found != self.batch_end(segment, lsn)
                yield lost(lsn, found or limit, str(why))
                self.skip_batch = skip_batch
                if found is None:
                    return
                lsn, prev = found, None
                continue
            skipped, skip_batch = skip_batch and frame.kind == BATCH, False
            if skipped or frame.kind == GAP:
                # Perhaps the rest of a batch whose beginning is gone: told, not shown.
                # A repair lets a gap end where a batch begins.
                skip_batch = frame.continues and frame.kind == BATCH
                yield frame, []
                why = A_GAP if frame.kind == GAP else "a batch lacks its beginning"
                # Where a gap is all that a segment holds it stands for the jump before it, too.
                alone = frame.kind == GAP and (lsn, frame.end) == (segment.header.base, limit)
                yield lost(min(came_from, lsn) if alone else lsn, frame.end, why)
            else:
                yield frame, records
            self.skip_batch = skip_batch
            lsn, prev = frame.end, frame.check
        if end_check is not None and prev is not None and prev != end_check:
            yield lost(limit, limit, "the frames end otherwise than the next segment says")

    @staticmethod
    def aligned(segment, start, limit):
        """The first frame behind `start`, where reading begins between two frames."""
        lsn, prev = segment.header.base, segment.header.prev_check
        while lsn < start:
            try:
                frame, _ = segment.frame(lsn, prev, limit)
            except Invalid:
                return None
            lsn, prev = frame.end, frame.check
        return (lsn, prev, frame.kind == GAP) if lsn > start else None

    @staticmethod
    def batch_end(segment, lsn):
        try:
            frame = Frame(segment, lsn)
        except Invalid:
            return None
        return None if frame.continues else frame.end

    @staticmethod
    def resumed(segment, start, limit):
        """Where frames verify again behind damage: one, and the next that follows it."""
        left = 2 * (limit - start)
        for lsn in segment.candidates(start + 8, limit):
            try:
                frame, _ = segment.frame(lsn, None, limit)
                left -= frame.end - lsn
                if frame.end == limit or segment.frame(frame.end, frame.check, limit):
                    return lsn
            except Invalid:
                if left <= 0:
                    return None
        return None


def show(report, arguments):
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        for item in value if isinstance(value, list) else [value]:
            print(f"{name:13}{item}")


def verify(log, arguments):
    report = {"verdict": "", "records": 0, "record_bytes": 0, "frames": 0,
              "segments": len(log.segments), "first": log.first(), "end": log.end,
              "proven": log.proven(), "damage": []}
    for frame, found in log.read():
        if frame:
            report["frames"] += 1
            report["records"] += len(found)
            report["record_bytes"] += sum(map(len, found))
        else:
            report["damage"].append(found)
    crossed = {damage["segment"] for damage in report["damage"]}
    report["damage"] += [damage for damage in log.damage if damage["segment"] not in crossed]
    report["damage"].sort(key=lambda damage: (damage["from"], damage["segment"]))
    code = log.code(report["damage"])
    report["verdict"] = {DAMAGED: "damaged", TORN: "torn-tail", CLEAN: "clean"}[code]
    show(report, arguments)
    return code


def inspect(log, arguments):
    code = log.code(log.first_damage)
    clean = log.tail is None or log.tail.clean
    state = {DAMAGED: "damaged", TORN: "torn"}.get(code) or (
        "empty" if not log.segments else "clean" if clean else "open")
    segments = [{"number": s.number, "file": s.name, "base": s.header.base,
                 "end": s.closed[0] if s.closed else log.end, "closed": s.closed is not None,
                 "length": s.file.size, "salt": f"{s.header.salt:016x}", "trim": s.header.trim}
                for s in log.segments]
    lineages = []
    for segment in log.segments:
        raises, drawn = divmod(segment.header.lineage, 1 << 48)
        lineage = f"{raises}-{drawn:012x}"
        if not lineages or lineages[-1]["lineage"] != lineage:
            lineages.append({"lineage": lineage, "from": segment.header.base})
    content = log.segments[0].header.content if log.segments else None
    report = {"log": log.id, "version": log.id and VERSION, "content": content, "lineages": lineages,
              "state": state, "clean": clean,
              "torn": log.torn(), "first": log.first(), "trim": log.trim, "end": log.end,
              "proven": log.proven(), "segments": segments, "spares": log.spares,
              "findings": log.findings, "damage": log.first_damage}
    show(report, arguments)
    return code


def cat(log, arguments):
    code = CLEAN
    for frame, found in log.read(arguments.start):
        if not frame:
            code = DAMAGED
            print(f"damage: {found}", file=sys.stderr)
            continue
        for index, record in enumerate(found):
            if not arguments.json:
                sys.stdout.buffer.write(record)
                continue
            line = {"lsn": frame.lsn, "index": index, "len": len(record)}
            if frame.tag:
                line["tag"] = frame.tag
            try:
                line["text"] = record.decode()
            except UnicodeDecodeError:
                line["hex"] = record.hex()
            print(json.dumps(line))
    told = code == DAMAGED
    untold = log.first_damage if not told else None
    if untold and (untold["to"] > arguments.start or untold["to"] == untold["from"]):
        code = DAMAGED
        print(f"damage: {untold}", file=sys.stderr)
    return code


def frames(log, arguments):
    code = CLEAN
    for frame, found in log.read(arguments.start):
        if not frame:
            code, line = DAMAGED, {"damage": found}
        else:
            line = {"lsn": frame.lsn, "end": frame.end, "segment": frame.segment.number,
                    "offset": frame.offset, "kind": name_of(frame.kind), "tag": frame.tag,
                    "continues": frame.continues, "durable": frame.durable,
                    "body_len": frame.body_len, "records": len(found)}
        plain = "  ".join(f"{name} {value}" for name, value in line.items())
        print(json.dumps(line) if arguments.json else plain)
    return code


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes:\n  0  nothing is wrong\n  1  usage, or what the system refused\n"
               "  2  the tail is torn (verify, inspect)\n  3  damage\n"
               "  5  files of a newer or unknown format, or of another log\n\n"
               "example:\n  tools/reader.py frames --json data | head")
    parser.add_argument("question", choices=["verify", "inspect", "cat", "frames"],
                        help="what the log is worth; its segments and findings; its records; "
                             "its frames")
    parser.add_argument("directory", help="the directory of the log")
    parser.add_argument("--json", action="store_true",
                        help="print JSON; of records and frames one a line")
    parser.add_argument("--from", dest="start", type=int, default=0, metavar="LSN",
                        help="begin there, or at the first record behind it (cat, frames)")
    try:
        arguments = parser.parse_args(words)
    except SystemExit as ended:
        return FAILED if ended.code else CLEAN
    try:
        log = Log(arguments.directory)
        answers = {"verify": verify, "inspect": inspect, "cat": cat, "frames": frames}
        return answers[arguments.question](log, arguments)
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return refused.code
    except BrokenPipeError:
        sys.stdout = None
        return CLEAN
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
