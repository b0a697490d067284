"""From the bytes of a log to event frames: one event a line, its position as its id."""

import io
from zlib import crc32

from server.logs.position import CONTEXT, HEAD, Position, anchor
from server.sse.event import END, fact


class LineEncoder:
    """Encodes a log's bytes, from a position on, as they come in.

    start: the position of the first byte to come.
    before: what the file holds before it, CONTEXT bytes or all there are.
    max_line: bytes of a line that are sent; what is beyond is clipped. At least CONTEXT.

    However long a line is, no more than `max_line` bytes of it are kept.
    """

    def __init__(self, start: Position, before: bytes, max_line: int) -> None:
        self.position = start
        """Where the last line that was encoded ends."""
        self.taken = start.offset
        """Offset of the end of all bytes taken in, those of an unfinished line too."""
        self.events = 0
        """How many events it has made."""
        self._max_line = max_line
        self._before = before[-CONTEXT:]
        self.unfinished = b""
        """What was taken in of a line that has no newline yet, at most `max_line` bytes."""
        self._last = b""  # of a line that is too long: its last CONTEXT bytes

    def feed(self, data: bytes) -> bytes:
        """Take in the bytes that follow; return the frames of all lines they complete."""
        self.taken += len(data)
        if self._last:
            return self._feed_long(data)
        whole = data.rfind(b"\n") + 1
        if not whole:
            self._keep(data)
            return b""
        lines = self.unfinished + data[:whole]
        frames = self._encode(lines)
        self.unfinished = b""
        self._keep(data[whole:])
        return frames

    def finish(self) -> bytes:
        """The frame of a last line that has no newline, if there is one."""
        if self._last:
            return self._end_long(b"")
        if not self.unfinished:
            return b""
        line, self.unfinished = self.unfinished, b""
        return self._encode(line)

    def _keep(self, data: bytes) -> None:
        self.unfinished += data
        if len(self.unfinished) > self._max_line:
            self._last = self.unfinished[-CONTEXT:]
            self.unfinished = self.unfinished[: self._max_line]

    def _feed_long(self, data: bytes) -> bytes:
        end = data.find(b"\n") + 1
        if not end:
            self._last = (self._last + data)[-CONTEXT:]
            return b""
        rest = data[end:]
        self.taken -= len(rest)
        frames = self._end_long(data[:end])
        return frames + self.feed(rest)

    def _end_long(self, data: bytes) -> bytes:
        """Frames of a line longer than `max_line`, which ends with `data`."""
        start, end = self.position, self.taken
        last = (self._last + data)[-CONTEXT:]
        head = crc32(self.unfinished[: max(0, HEAD - start.offset)], start.head)
        self.position = Position(end, head, crc32(last[len(last) - (end - anchor(end)) :]))
        line = _cut(self.unfinished, self._max_line)
        length = end - start.offset - data.endswith(b"\n")
        self._before, self.unfinished, self._last = last, b"", b""
        self.events += 2
        return _clipped(str(self.position), line, length)

    def _encode(self, lines: bytes) -> bytes:
        """Frames of whole lines (the last may lack its newline)."""
        offset, head, tail = self.position
        data = self._before + lines
        base = offset - len(self._before)  # offset of data[0] in the file
        plain = _is_plain(lines)
        clip = self._max_line if _has_longer(lines, self._max_line) else 0
        limit = _limit(offset)
        frames = []
        for line in io.BytesIO(lines):
            offset += len(line)
            if offset > limit:
                before = offset - len(line)
                if before < HEAD:
                    head = crc32(line[: HEAD - before], head)
                tail = crc32(data[anchor(offset) - base : offset - base])
                limit = _limit(offset)
            else:
                tail = crc32(line, tail)
            if plain and not clip:
                frames.append(b"id: %x-%x-%x\ndata: %b\n" % (offset, head, tail, line))
            else:
                frames.append(_careful_frame(f"{offset:x}-{head:x}-{tail:x}", line, clip))
        self.position = Position(offset, head, tail)
        self._before = data[-CONTEXT:]
        joined = b"".join(frames)
        self.events += joined.count(END) if clip else len(frames)
        return joined


def _limit(offset: int) -> int:
    """The offset up to which a position's checksums are carried on from the one before."""
    return anchor(offset) + CONTEXT if offset >= HEAD else 0


def _has_longer(lines: bytes, length: int) -> bool:
    """Whether one of the lines is longer than `length`, its newline included."""
    return len(lines) > length and max(map(len, io.BytesIO(lines))) > length


def _is_plain(lines: bytes) -> bool:
    """Whether whole lines can go out as they are: UTF-8, no CR, a newline at the end."""
    if b"\r" in lines or not lines.endswith(b"\n"):
        return False
    if lines.isascii():
        return True
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _careful_frame(id: str, line: bytes, clip: int) -> bytes:
    """The frame of any one line, clipped to `clip` bytes unless that is 0."""
    line = line.removesuffix(b"\n")
    if clip and len(line) > clip:
        return _clipped(id, _cut(line, clip), len(line))
    return _frame(id, line.removesuffix(b"\r"))


def _clipped(id: str, line: bytes, length: int) -> bytes:
    return fact("clipped", line=id, length=length, sent=len(line)) + _frame(id, line)


def _frame(id: str, line: bytes) -> bytes:
    text = line.decode("utf-8", "replace").encode()
    # CR ends a line of the stream, so the text around it is sent as fields of their own
    return b"id: %b\ndata: %b\n\n" % (id.encode(), text.replace(b"\r", b"\ndata: "))


def _cut(line: bytes, length: int) -> bytes:
    """The first `length` bytes of `line`, less a UTF-8 character that they cut in two."""
    line = line[:length]
    for missing in range(1, min(4, len(line) + 1)):
        if line[-missing] & 0xC0 != 0x80:
            first = line[-missing]
            needed = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1
            return line[:-missing] if needed > missing else line
    return line
