#!/usr/bin/env python3
"""A second reader of Seawall logs, written from docs/FORMAT.md and from nothing else.

It shares no line with the library, so where the two agree the document is enough to read a log. It
never writes. The log must not be written to while it is read: for that there is `seawall`.
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
CONTROL_ROOM = 512
JUMP = 1 << 33
FILE_LEN_MAX = 2 << 30
BODY_LEN_MAX = (256 << 20) + 4
CLOSE_MARK_LEN = 40
RECORD, BATCH, VOID, IDLE_MARK, TRIM, CLOSE_MARK, GAP = range(1, 8)
KINDS = ["", "record", "batch", "void", "idle mark", "trim", "close mark", "gap"]
CONTINUES, MARKED = 1, 2
WINDOW = 1 << 20
NAME = re.compile(r"([0-9]{20})\.(seg|spare)")
# What stands at byte 16 of a frame with a mark. It is cheaper to look for than a check.
MARKED_HEAD = re.compile(rb"(?=[\x01\x02\x04\x05\x06][\x02\x03]\x00\x00)", re.DOTALL)

CLEAN, FAILED, TORN, DAMAGED, UNKNOWN = 0, 1, 2, 3, 5


class Refused(Exception):
    """The log cannot be judged; the exit code says why."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Invalid(Exception):
    """These bytes are not what was looked for."""


class NoFrame(Invalid):
    """There is no valid frame here. `intact` if only the chain or the body is against it."""


class UnknownFrame(Invalid):
    """An intact frame of a kind or with a flag that version 1 does not know."""


def table(polynomial):
    entries = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        entries.append(byte)
    return entries


CRC32C = table(0x82F63B78)
CRC64 = table(0xC96C5795D7870F42)


def crc(entries, ones, data):
    value = ones
    for byte in data:
        value = entries[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ ones


def crc32c(data):
    return crc(CRC32C, 0xFFFFFFFF, data)


def crc64(data):
    return crc(CRC64, 0xFFFFFFFFFFFFFFFF, data)


def padded(length):
    return (length + 7) & ~7


class File:
    """A file that is read in pieces of a fixed size, whatever lengths its bytes claim."""

    def __init__(self, path):
        self.path = path
        self.window, self.window_at = b"", 0
        with self.opened() as fd:
            kept = os.fstat(fd.fileno())
            if not stat.S_ISREG(kept.st_mode):
                raise Refused(FAILED, f"{path}: not a file")
            self.size = kept.st_size

    def opened(self):
        # A pipe in place of a file must not make us wait for its writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        return open(self.path, "rb", buffering=0, opener=lambda path, _: os.open(path, flags))

    def at(self, offset, length):
        """Up to `length` bytes; fewer only where the file ends."""
        length = max(0, min(length, self.size - offset))
        skip = offset - self.window_at
        if skip < 0 or skip + length > len(self.window):
            wanted = min(max(length, WINDOW), self.size - offset)
            with self.opened() as fd:
                fd.seek(offset)
                pieces = []
                while wanted > 0 and (piece := fd.read(min(wanted, WINDOW))):
                    pieces.append(piece)
                    wanted -= len(piece)
            if wanted > 0:
                raise Refused(FAILED, f"{self.path}: the device gives fewer bytes than the file has")
            self.window, self.window_at, skip = b"".join(pieces), offset, 0
        return self.window[skip:skip + length]

    def drop_window(self):
        self.window = b""

    def zeros(self, start, end):
        """Whether all bytes from `start` to `end` are zeros."""
        while start < end:
            piece = self.at(start, min(WINDOW, end - start))
            if piece.count(0) != len(piece) or not piece:
                return False
            start += len(piece)
        return True


class Header:
    LAYOUT = struct.Struct("<8sII16sQQQQQIIQ32sQ")

    def __init__(self, data, name):
        if len(data) < 128:
            raise Invalid("the file ends")
        (magic, version, flags, self.log, self.number, self.base, self.salt, self.file_len,
         self.prev_end, self.prev_check, zeros, self.trim, more_zeros, check) = self.LAYOUT.unpack(data)
        if magic != b"SEAWALL\0" or check != crc64(data[:120]):
            raise Invalid("magic or check")
        if version != VERSION:
            raise Refused(UNKNOWN, f"{name} is of format version {version}; this reads {VERSION}")
        if flags:
            raise Refused(UNKNOWN, f"{name} has header flags {flags:#x}, of which none is known")
        if zeros or any(more_zeros) or self.number == 0:
            raise Invalid("zeros or number")
        if self.base % 8 or self.prev_end % 8 or self.trim % 8 or self.trim > self.prev_end:
            raise Invalid("positions")
        if self.base not in (self.prev_end, self.prev_end + JUMP):
            raise Invalid("base")
        if (self.file_len % BLOCK or not 4 * BLOCK <= self.file_len <= FILE_LEN_MAX
                or self.base + self.file_len >= 1 << 64):
            raise Invalid("file_len")


class Frame:
    """One frame whose header, and whose mark if it has one, hold."""

    LAYOUT = struct.Struct("<IIIIBBH")

    def __init__(self, segment, lsn):
        header, file = segment.header, segment.file
        self.segment, self.lsn = segment, lsn
        self.offset = FRAMES_AT + lsn - header.base
        head = file.at(self.offset, 20) if self.offset + 20 <= segment.room_end else b""
        if len(head) < 20:
            raise NoFrame("no room for a frame")
        if not any(head):
            raise NoFrame("zeros")
        (self.check, self.body_len, self.body_check, self.prev, self.kind, self.flags,
         zeros) = self.LAYOUT.unpack(head)
        use = header.log + struct.pack("<Q", header.salt)
        if self.check != crc32c(use + struct.pack("<Q", lsn) + head[4:]):
            raise NoFrame("check")
        kind, marked = self.kind, bool(self.flags & MARKED)
        if not RECORD <= kind <= GAP or self.flags & ~(CONTINUES | MARKED):
            raise UnknownFrame(f"kind {kind}, flags {self.flags:#x}")
        if (zeros or self.continues and kind != BATCH or kind in (IDLE_MARK, CLOSE_MARK) and not marked
                or kind in (VOID, GAP) and marked):
            raise NoFrame("flags or zeros")
        self.body_at = self.offset + 20 + 12 * marked
        end = self.body_at + self.body_len
        room = segment.record_room_end if kind in (RECORD, BATCH, VOID) else segment.room_end
        if self.body_len > (FILE_LEN_MAX if kind in (VOID, GAP) else BODY_LEN_MAX) or end > room:
            raise NoFrame("length")
        self.end = lsn + padded(end - self.offset)
        self.durable = None
        if marked:
            mark = file.at(self.offset + 20, 12)
            if len(mark) < 12:
                raise NoFrame("mark")
            self.durable, mark_check = struct.unpack("<QI", mark)
            seed = use + b"mark" + struct.pack("<QQ", lsn, self.durable)
            if mark_check != crc32c(seed) or self.durable % 8 or self.durable > lsn:
                raise NoFrame("mark")

    @property
    def continues(self):
        return bool(self.flags & CONTINUES)

    def body(self):
        """The body, which must be valid. Void and gap have none to look at."""
        if self.kind in (VOID, GAP):
            return b""
        body = self.segment.file.at(self.body_at, self.body_len)
        if len(body) < self.body_len or crc32c(body) != self.body_check:
            raise NoFrame("body_check")
        if self.kind == IDLE_MARK and body or self.kind in (TRIM, CLOSE_MARK) and (
                len(body) != 8 or body[0] % 8):
            raise NoFrame("body")
        return body

    def records(self):
        """The records of a frame, without a copy of the body for each."""
        body = self.body()
        if self.kind == RECORD:
            return [body]
        if self.kind != BATCH:
            return []
        records, at = [], 0
        while at < len(body):
            if at + 4 > len(body):
                raise NoFrame("batch")
            length = int.from_bytes(body[at:at + 4], "little")
            if at + 4 + length > len(body):
                raise NoFrame("batch")
            records.append(body[at + 4:at + 4 + length])
            at += 4 + length
        if not records:
            raise NoFrame("batch")
        return records


class Segment:
    """One file with a good header."""

    def __init__(self, name, file, header):
        self.name, self.file, self.header = name, file, header
        self.room_end = header.file_len - TRAILER_LEN
        self.record_room_end = self.room_end - CONTROL_ROOM
        self.closed = None

    def close_record(self):
        """`end` and `last_check` of a close record of this use of the file."""
        data = self.file.at(self.header.file_len - TRAILER_LEN, TRAILER_LEN)
        if len(data) < TRAILER_LEN or data[:8] != b"SWTRAIL\0":
            return None
        kind, zeros, end, salt, last, more, frames, most, check = struct.unpack("<IIQQIIQQQ", data[8:])
        if (check != crc64(data[:56]) or kind != 2 or zeros or more or most or frames or end % 8
                or salt != self.header.salt):
            return None
        return end, last


class Walk:
    """The valid run from a place on, batch by batch."""

    def __init__(self, segment, lsn, prev, stop=None):
        self.segment, self.end, self.check, self.stop = segment, lsn, prev, stop
        self.why, self.in_batch, self.last = None, False, None

    def __iter__(self):
        batch, lsn, prev = [], self.end, self.check
        while self.stop is None or lsn < self.stop:
            try:
                frame = Frame(self.segment, lsn)
                if prev is not None and frame.prev != prev:
                    raise NoFrame("chain")
                if batch and frame.kind != BATCH:
                    raise NoFrame("an incomplete batch")
                records = frame.records()
            except UnknownFrame as unknown:
                raise Refused(UNKNOWN, f"{self.segment.name} at LSN {lsn}: {unknown}")
            except NoFrame as why:
                self.why = str(why)
                break
            batch.append((frame, records))
            lsn, prev = frame.end, frame.check
            if not frame.continues:
                self.end, self.check, self.last = lsn, prev, frame
                yield batch
                batch = []
        self.in_batch = bool(batch)
        self.stopped_at = lsn


def marks_behind(segment, lsn):
    """The greatest `durable` of every mark that holds at or behind `lsn`."""
    greatest = 0
    at = FRAMES_AT + lsn - segment.header.base
    while at < segment.room_end:
        piece = segment.file.at(at, WINDOW + 24)
        for found in MARKED_HEAD.finditer(piece, 16):
            offset = at + found.start() - 16
            if offset % 8 == 0 and offset - at < WINDOW:
                try:
                    frame = Frame(segment, offset - FRAMES_AT + segment.header.base)
                    greatest = max(greatest, frame.durable)
                except Invalid:
                    pass
        at += WINDOW
        if not piece:
            break
    return greatest


class Log:
    """What a directory holds, by the recovery table."""

    def __init__(self, directory):
        self.findings, self.damage = [], []
        self.good, self.bad, self.spares = {}, {}, []
        for number, name in self.listed(directory):
            self.look_at(number, name, os.path.join(directory, name))
        ids = {segment.header.log for segment in self.good.values()}
        if len(ids) > 1:
            raise Refused(UNKNOWN, "R12: segments of two logs: " + ", ".join(sorted(map(bytes.hex, ids))))
        self.trim = max((segment.header.trim for segment in self.good.values()), default=0)
        self.first = self.end = self.proven = 0
        self.clean = self.torn = self.ambiguous = False
        if self.good:
            self.judge_tail(self.good[max(self.good)])
        self.drop_below_trim_point()
        self.judge_segments()

    def listed(self, directory):
        names = []
        with os.scandir(directory) as entries:
            for entry in entries:
                match = NAME.fullmatch(entry.name)
                if not match or not 1 <= int(match[1]) < 1 << 64:
                    continue
                if match[2] == "spare":
                    self.spares.append(entry.name)
                else:
                    names.append((int(match[1]), entry.name))
        return sorted(names)

    def look_at(self, number, name, path):
        file = File(path)
        copies, wrong_number = [], False
        for at in (0, BLOCK):
            try:
                header = Header(file.at(at, 128), name)
                if header.number == number:
                    copies.append(header)
                else:
                    wrong_number = True
            except Invalid:
                pass
        if copies:
            self.good[number] = Segment(name, file, copies[0])
            if len(copies) < 2:
                self.find(name, 0, "R9", number)
        elif wrong_number:
            self.bad[number] = (name, "R13")
        elif (file.size % BLOCK == 0 and 4 * BLOCK <= file.size <= FILE_LEN_MAX
                and file.zeros(FRAMES_AT, FRAMES_AT + BLOCK)):
            self.bad[number] = (name, "R10")
        else:
            self.bad[number] = (name, "R11")

    def find(self, name, offset, row, number=0, beyond=False):
        self.findings.append({"file": name, "offset": offset, "row": row, "beyond": beyond,
                              "number": number})

    def judge_tail(self, segment):
        header = segment.header
        self.proven = header.prev_end
        record = segment.close_record()
        if record:
            end, last_check = record
            self.proven = max(self.proven, end - CLOSE_MARK_LEN)
            try:
                mark = Frame(segment, end - CLOSE_MARK_LEN) if end - CLOSE_MARK_LEN >= header.base else None
                if mark and mark.kind == CLOSE_MARK and mark.check == last_check:
                    self.trim = max(self.trim, int.from_bytes(mark.body(), "little"))
                    self.clean, self.end, self.proven = True, end, end
                    return
            except Invalid:
                pass
        walk = Walk(segment, header.base, header.prev_check)
        for batch in walk:
            for frame, _ in batch:
                if frame.durable is not None:
                    self.proven = max(self.proven, frame.durable)
                if frame.kind in (TRIM, CLOSE_MARK):
                    self.trim = max(self.trim, int.from_bytes(frame.body(), "little"))
        self.end = walk.end
        self.proven = max(self.proven, marks_behind(segment, walk.end))
        offset = FRAMES_AT + walk.end - header.base
        if segment.file.size < header.file_len:
            row = "R6"
        elif walk.in_batch:
            row = "R5"
        elif segment.file.zeros(offset, segment.room_end):
            row = "R2"
        elif walk.last and walk.last.kind == CLOSE_MARK:
            row = "R3"
        else:
            row = "R4"
        beyond = self.proven > walk.end
        if beyond or row == "R6":
            self.lost(segment.header.number, segment.name, offset, walk.end, max(walk.end, self.proven),
                      f"{row}: {walk.why}")
        elif row in ("R4", "R5"):
            self.torn = True
        self.find(segment.name, offset, row, segment.header.number, beyond)

    def lost(self, number, name, offset, start, end, cause):
        self.damage.append({"segment": number, "file": name, "offset": offset, "from": start, "to": end,
                            "cause": cause})

    def drop_below_trim_point(self):
        ends = {number: segment.header.prev_end for number, segment in self.good.items()}
        self.kept_from = max((number for number, end in ends.items() if end <= self.trim), default=0)
        for files in (self.good, self.bad):
            for number in [number for number in files if number < self.kept_from]:
                kept = files.pop(number)
                name = kept.name if isinstance(kept, Segment) else kept[0]
                self.findings = [finding for finding in self.findings if finding["number"] != number]
                self.find(name, 0, "R1", number)

    def judge_segments(self):
        numbers = sorted(self.good)
        if numbers:
            self.first = self.good[numbers[0]].header.base
            missing = self.good[numbers[0]].header.prev_end
            if missing > self.trim:
                self.lost(numbers[0] - 1, f"{numbers[0] - 1:020}.seg", 0, self.trim, missing, "R17")
        for number, after in zip(numbers, numbers[1:]):
            header = self.good[after].header
            if after == number + 1:
                self.good[number].closed = header.prev_end, header.prev_check
                continue
            name, row = self.bad.get(number + 1, (f"{number + 1:020}.seg", "R17"))
            self.find(name, 0, row, number + 1, True)
            walk = Walk(self.good[number], self.good[number].header.base, self.good[number].header.prev_check)
            for _ in walk:
                pass
            self.good[number].closed = walk.end, walk.check
            self.lost(number + 1, name, 0, walk.end, header.prev_end, row)
        last = max(numbers, default=0)
        for number, (name, row) in sorted(self.bad.items()):
            if number > last:
                self.find(name, 0, row, number)
                if row == "R11" or row == "R10" and number != last + 1:
                    self.lost(number, name, 0, self.end, self.end, row)

    def read(self, each):
        """Gives every batch that can be read to `each`, in order; tells what cannot be."""
        damage = list(self.damage)
        for number in sorted(self.good):
            segment = self.good[number]
            end, last_check = segment.closed or (self.end, None)
            lsn, prev = segment.header.base, segment.header.prev_check
            while True:
                walk = Walk(segment, lsn, prev, end)
                for batch in walk:
                    each(batch)
                if walk.end >= end:
                    if walk.end > end or last_check not in (None, walk.check):
                        self.lost(number, segment.name, FRAMES_AT + lsn - segment.header.base, walk.end,
                                  max(end, walk.end), "R15")
                    break
                lsn = self.resume(segment, walk.end, end)
                offset = FRAMES_AT + walk.end - segment.header.base
                self.lost(number, segment.name, offset, walk.end, lsn, f"R14: {walk.why}")
                prev = None
        self.damage.sort(key=lambda lost: (lost["from"], lost["segment"]))
        return damage

    def resume(self, segment, lsn, end):
        """Where a whole batch can be read again behind damage."""
        in_batch = True
        while (lsn := lsn + 8) < end:
            try:
                frame = Frame(segment, lsn)
                frame.records()
            except Invalid:
                continue
            if not in_batch or frame.kind != BATCH or frame.durable == lsn:
                return lsn
            in_batch = frame.continues
        return end


def verify(log, arguments):
    counts = {"records": 0, "record_bytes": 0, "frames": 0}

    def count(batch):
        counts["frames"] += len(batch)
        counts["records"] += sum(len(records) for _, records in batch)
        counts["record_bytes"] += sum(len(record) for _, records in batch for record in records)

    log.read(count)
    verdict, code = ("damaged", DAMAGED) if log.damage else ("torn-tail", TORN) if log.torn else ("clean", CLEAN)
    report = {"verdict": verdict, **counts, "segments": len(log.good), "first": max(log.first, log.trim),
              "end": log.end, "proven": log.proven, "damage": log.damage}
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        for name, value in report.items():
            print(f"{name:12} {value}")
    return code


def cat(log, arguments):
    def show(batch):
        for frame, records in batch:
            for index, record in enumerate(records):
                if frame.lsn < arguments.start:
                    continue
                if not arguments.json:
                    sys.stdout.buffer.write(record)
                    continue
                line = {"lsn": frame.lsn, "index": index, "len": len(record)}
                try:
                    line["text"] = record.decode()
                except UnicodeDecodeError:
                    line["hex"] = record.hex()
                print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))

    log.read(show)
    for lost in log.damage:
        print(f"damage: {lost}", file=sys.stderr)
    return DAMAGED if log.damage else CLEAN


def inspect(log, arguments):
    del arguments
    print(json.dumps({"findings": log.findings, "trim": log.trim, "end": log.end}, indent=2))
    return CLEAN


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["verify", "cat", "inspect"])
    parser.add_argument("directory")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--from", dest="start", type=int, default=0)
    arguments = parser.parse_args()
    try:
        log = Log(arguments.directory)
        return globals()[arguments.command](log, arguments)
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return refused.code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
