"""From the bytes of a log to batches of whole lines, which stay raw until they are encoded."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import NamedTuple
from zlib import crc32

from server.logs.position import CONTEXT, HEAD, Position, Read, anchor

MOST_LINES = 4096
"""Lines of a batch, at the most: what is made of a batch grows with its lines, not its bytes."""

HOLE = b"\0" * 16
"""The least that is taken for a hole: NUL bytes at the start of a line that nobody wrote.

A file has one where it was truncated under a writer that does not append (open(2), O_APPEND),
or made longer by truncate(2).
"""

_BLOCK = 128 * 1024
"""Bytes that are looked at when going back over lines. Each further block is twice as large..."""

_LARGEST_BLOCK = 1024 * 1024
"""...up to this: after each block a thread has to wait for the others."""


class LineBatch(NamedTuple):
    """Lines of a log with their places.

    start: the position before the first line. It may stand within a line, of which the part
        before was shown already: see `is_continued`.
    before: what the log holds before `start`, CONTEXT bytes or all there are.
    lines: the lines as they stand in the log. Only the last may lack its newline.
    end: the position after the last line.
    length: bytes of the log from `start` to `end`. It is more than `lines` has where these are
        one line of which something was left out: a hole before it, or what `max_line` clips.
    hole: bytes of the hole that was left out.
    is_unfinished: whether the last line lacks its newline and may still go on.
    """

    start: Position
    before: bytes
    lines: bytes
    end: Position
    length: int
    hole: int = 0
    is_unfinished: bool = False

    @property
    def is_continued(self) -> bool:
        """Whether the first line goes on with one that was shown before it was finished."""
        return bool(self.before) and not self.before.endswith(b"\n")

    @property
    def is_cut(self) -> bool:
        """Whether this is one line, of which not all bytes are here."""
        return self.length > len(self.lines)

    @property
    def first_line(self) -> bytes:
        """The first line as a whole, with what was shown of it before, as far as that is here."""
        begun = self.before[self.before.rfind(b"\n") + 1 :]
        return begun + self.lines[: self.lines.find(b"\n") + 1 or len(self.lines)]

    def part(self, begin: int, end: int) -> "LineBatch":
        """The lines between two offsets in `lines`, at which lines begin and end.

        Of a batch that `is_cut`, there is no part.
        """
        if begin == 0 and end == len(self.lines):
            return self
        known = self.lines[max(0, begin - CONTEXT) : begin]
        return LineBatch(
            position_after(self.start, self.before, self.lines, begin),
            known if len(known) == CONTEXT else (self.before + known)[-CONTEXT:],
            self.lines[begin:end],
            position_after(self.start, self.before, self.lines, end),
            end - begin,
            is_unfinished=self.is_unfinished and end == len(self.lines),
        )

    def positions(self) -> Iterator[tuple[Position, bytes]]:
        """Each line, its newline included, and the position where it ends."""
        if self.is_cut:
            yield self.end, self.lines
            return
        offset, head, tail = self.start
        data = self.before + self.lines
        base = offset - len(self.before)  # offset of data[0] in the log
        limit = carried_up_to(offset)
        for line in BytesIO(self.lines):
            offset += len(line)
            if offset > limit:
                before = offset - len(line)
                if before < HEAD:
                    head = crc32(line[: HEAD - before], head)
                tail = crc32(data[anchor(offset) - base : offset - base])
                limit = carried_up_to(offset)
            else:
                tail = crc32(line, tail)
            yield Position(offset, head, tail), line


def carried_up_to(offset: int) -> int:
    """The offset up to which the checksums of a position at `offset` can be carried on."""
    return anchor(offset) + CONTEXT if offset >= HEAD else 0


def position_after(start: Position, before: bytes, lines: bytes, length: int) -> Position:
    """The position after the first `length` bytes of `lines`, at which a line ends.

    `lines` follow `start` and what stands `before` that, CONTEXT bytes or all there are.
    """
    offset, head = start.offset + length, start.head
    if start.offset < HEAD:
        head = crc32(lines[: min(length, HEAD - start.offset)], head)
    first = length - (offset - anchor(offset))  # of the bytes that the checksum covers
    if first >= 0:
        return Position(offset, head, crc32(lines[first:length]))
    return Position(offset, head, crc32(lines[:length], crc32(before[first:])))


class LineSplitter:
    """Splits a log's bytes into batches of lines, from a position on, as they come in.

    start: the position of the first byte to come.
    before: what the log holds before it, CONTEXT bytes or all there are.
    max_line: bytes of a line that are kept; what is beyond is clipped. At least CONTEXT.

    However long a line is, no more than `max_line` bytes of it are kept.
    """

    def __init__(self, start: Position, before: bytes, max_line: int) -> None:
        self.position = start
        """Where the last batch ends."""
        self.taken = start.offset
        """Offset of the end of all bytes taken in, those of an unfinished line too."""
        self._max_line = max_line
        self._before = before[-CONTEXT:]
        self._unfinished = bytearray()
        self._long: _LongLine | None = None

    @property
    def has_unfinished(self) -> bool:
        """Whether a part of a line was taken in that can be shown before its newline comes."""
        return len(self._unfinished) > _incomplete(self._unfinished)

    @property
    def last_bytes(self) -> bytes:
        """The last bytes that were taken in, CONTEXT of them or all there are."""
        if self._long:
            return self._long.last
        return (self._before + self._unfinished[-CONTEXT:])[-CONTEXT:]

    def feed(self, data: bytes) -> list[LineBatch]:
        """Take in the bytes that follow; return the batches of all lines that they complete."""
        return list(self.batches(data))

    def batches(self, data: bytes) -> Iterator[LineBatch]:
        """The same one by one, so that who wants only the first need not wait for all.

        The bytes count as taken in when there are no more batches.
        """
        if self._may_be_hole:
            data = bytes(self._unfinished) + data
            self.taken -= len(self._unfinished)
            self._unfinished.clear()
        at = 0
        while at < len(data):
            if self._long:
                end = data.find(b"\n", at) + 1
                yield from self._feed_long(self._long, data[at : end or len(data)])
                at = end or len(data)
                continue
            hole = self._hole_in(data, at)
            if hole != at:
                yield from self._feed_lines(data[at:hole])
            if hole is None:
                break
            self._long = _LongLine(self._before, self.position.head)
            at = hole

    def skip(self, length: int) -> list[LineBatch]:
        """Take in so many NUL bytes, of which not all have to be there."""
        fed = min(length, self._max_line + 1)
        batches = self.feed(bytes(fed))
        if length > fed:
            assert self._long  # it is a hole, or longer than `max_line`
            self._long.skip(length - fed)
            self.taken += length - fed
        return batches

    def finish(self, *, is_unfinished: bool = False) -> list[LineBatch]:
        """The batch of a last line without a newline, if there is one.

        `is_unfinished` says that the line may still go on: a character that is not complete
        yet is held back, so that what shows its beginning shows all of it.
        """
        if self._long:
            return [self._end_long(self._long, b"")]
        shown = len(self._unfinished) - (_incomplete(self._unfinished) if is_unfinished else 0)
        if not shown:
            return []
        lines = bytes(self._unfinished[:shown])
        del self._unfinished[:shown]
        return [self._batch(lines)._replace(is_unfinished=is_unfinished)]

    @property
    def _may_be_hole(self) -> bool:
        """Whether so few NUL bytes are unfinished that only more of them would be a hole.

        All that is unfinished is not looked through: a long line would be with each of its parts.
        """
        return 0 < len(self._unfinished) < len(HOLE) and not self._unfinished.strip(b"\0")

    def _hole_in(self, data: bytes, start: int) -> int | None:
        """Where in `data` the first hole from `start` on begins, None if there is none."""
        if data.startswith(HOLE, start) and not self._unfinished:
            return start
        first = data.find(b"\0", start)
        if first < 0:
            return None
        return data.find(b"\n" + HOLE, max(start, first - 1)) + 1 or None

    def _feed_lines(self, data: bytes) -> Iterator[LineBatch]:
        self.taken += len(data)
        whole = data.rfind(b"\n") + 1
        if whole:
            lines = bytes(self._unfinished) + data[:whole] if self._unfinished else data[:whole]
            self._unfinished.clear()
            for part in _few(lines):
                yield self._batch(part)
        self._unfinished += data[whole:]
        if len(self._unfinished) > self._max_line:
            self._long = _LongLine(self._before, self.position.head)
            unfinished, self._unfinished = bytes(self._unfinished), bytearray()
            self._long.feed(unfinished, self.position.offset, self._max_line)

    def _batch(self, lines: bytes) -> LineBatch:
        start, before = self.position, self._before
        self.position = position_after(start, before, lines, len(lines))
        last = lines[-CONTEXT:]
        self._before = (before + last)[-CONTEXT:] if len(last) < CONTEXT else last
        return LineBatch(start, before, lines, self.position, len(lines))

    def _feed_long(self, long: "_LongLine", part: bytes) -> Iterator[LineBatch]:
        """Take in a part of the long line, which may be its last one."""
        long.feed(part, self.taken, self._max_line)
        self.taken += len(part)
        if part.endswith(b"\n"):
            yield self._end_long(long, b"\n")

    def _end_long(self, long: "_LongLine", newline: bytes) -> LineBatch:
        start, before, end = self.position, self._before, self.taken
        covered = end - anchor(end)
        self.position = Position(end, long.head, crc32(long.last[len(long.last) - covered :]))
        self._before, self._long = long.last, None
        lines, length = bytes(long.text) + newline, end - start.offset
        return LineBatch(start, before, lines, self.position, length, long.hole)


class _LongLine:
    """A line of which not all is kept: its text so far, and what its position is made from."""

    def __init__(self, before: bytes, head: int) -> None:
        self.hole = 0
        self.text = bytearray()
        self.last = before
        self.head = head

    def feed(self, part: bytes, offset: int, max_line: int) -> None:
        """Take in a part of the line that stands at `offset` of the log."""
        self.head = crc32(part[: max(0, HEAD - offset)], self.head)
        self.last = (self.last + part[-CONTEXT:])[-CONTEXT:]
        part = part.removesuffix(b"\n")
        if not self.text:
            text = part.lstrip(b"\0")
            self.hole += len(part) - len(text)
            part = text
        self.text += part[: max(0, max_line - len(self.text))]

    def skip(self, length: int) -> None:
        """Take in so many NUL bytes after more of them than are kept."""
        if not self.text:
            self.hole += length


def _incomplete(line: bytes | bytearray) -> int:
    """How many bytes at the end of `line` begin a UTF-8 character of which more may come."""
    for count in (3, 2, 1):  # the longest character has four
        end = line[-count:]
        try:
            end.decode()
        except UnicodeDecodeError as error:
            if error.start == 0 and error.reason == "unexpected end of data":
                return len(end)
    return 0


def _few(lines: bytes) -> Iterator[bytes]:
    """Whole lines in parts of at most MOST_LINES, or nearly so."""
    while lines:
        part = first_lines(lines)
        yield part
        lines = lines[len(part) :]


def first_lines(data: bytes) -> bytes:
    """The first lines of `data`, at most MOST_LINES of them, or all of it if it has no more."""
    while data.count(b"\n") > MOST_LINES:
        data = data[: data.index(b"\n", len(data) // 2 - 1) + 1]
    return data


def lines_before(
    read: Read, end: int, lines: int, hole_before: Callable[[int], int] | None = None
) -> int:
    """The offset at which the last `lines` lines before the offset `end` begin.

    A part of a line that has no newline counts as a line. For no lines it is the offset where
    the last whole line ends. `read(offset, length)` gives the log's bytes; `hole_before` says where
    a hole begins that ends at an offset: it is stepped over.
    """
    start, block = end, _BLOCK
    wanted = lines + 1
    if lines and end and read(end - 1, 1) != b"\n":
        wanted = lines
    while start > 0:
        length, block = min(block, start), min(2 * block, _LARGEST_BLOCK)
        data = read(start - length, length)
        start -= length
        found = data.count(b"\n")
        if found < wanted:
            wanted -= found
            if hole_before and not data.strip(b"\0"):
                start = hole_before(start)
            continue
        return start + _newline_before_end(data, wanted) + 1
    return 0


def _newline_before_end(data: bytes, count: int) -> int:
    """Where the newline stands that is the `count`th from the end: halving finds it.

    To go from one to the next takes a call for each, in which no other thread can run.
    """
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        found = data.count(b"\n", middle, high)
        if found >= count:
            low = middle
        else:
            count, high = count - found, middle
    return low
