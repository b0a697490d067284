"""Where a log goes on whose front was cut off, as by `tail -n 200 app.log > t && mv t app.log`.

What stood before a position still stands in the file, at a lower offset. A place that is not
the only one is none: what cannot be told is a gap, not a guess.
"""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import NamedTuple
from zlib import crc32

from server.logs.files import File
from server.logs.holes import hole_before
from server.logs.position import CONTEXT, Position, Read, anchor
from server.logs.trouble import CannotReadError

MOST_SEARCHED = 8 * 1024 * 1024
"""Bytes at the start of a file in which a place is looked for."""

MOST_LINES = 100_000
"""Lines at whose ends it is looked for."""

_BLOCK = 64 * 1024
"""Bytes that are read at a time."""

LEAST_CONTEXT = 32
"""Bytes that must be the same: a line or two, so that they are not alike by chance."""

LEAST_IN_OTHERS = 256
"""The same for a file that is not the log: as many as a position proves at the least."""


class Context(NamedTuple):
    """What stood before a position."""

    text: bytes
    """The last bytes that no hole has."""
    blanks: int = 0
    """How many NUL bytes follow them."""


NOTHING = Context(b"")
"""Where nothing is known."""


def context_of(file: File, end: Position) -> Context:
    """What stands before `end` in a file: CONTEXT bytes or all there are, before a hole at its end.

    It is empty where the file does not hold `end`, where it cannot be read, and where the hole is
    larger than MOST_SEARCHED.
    """
    stop = end.offset
    try:
        while file.holds(end):
            start = max(0, stop - _BLOCK)
            text = file.read(start, stop - start).rstrip(b"\0")
            if text or not start:
                return Context(text[-CONTEXT:], end.offset - start - len(text))
            stop = hole_before(file, start)
            if end.offset - stop > MOST_SEARCHED:
                break
    except CannotReadError:
        pass
    return NOTHING


def find_context(
    context: Context, offset: int, read: Read, size: int, least: int = LEAST_CONTEXT
) -> int | None:
    """The offset, at most `offset`, after the only place where `context` stands in a file.

    `context` is what a client or the server has seen last; the file may begin within it, but must
    hold `least` bytes of its text. `read(offset, length)` gives the file's bytes, of which there
    are `size`.
    """
    text, blanks = context
    data = read(0, max(0, min(size, MOST_SEARCHED, offset)))
    place = _only_place(text, data, least)
    if place is None or data.count(b"\0", place, place + blanks) < blanks:
        return None
    return place + blanks


def _only_place(text: bytes, data: bytes, least: int) -> int | None:
    """Where in `data` the only place ends at which `text` stands, or at its start the end of it."""
    if len(text) >= least and (at := data.find(text)) >= 0:
        return at + len(text) if data.find(text, at + 1) < 0 else None
    for start in _line_ends(text):
        rest = text[start:]
        if len(rest) >= least and data.startswith(rest):
            return len(rest)
    return None


def find_position(position: Position, read: Read, size: int) -> int | None:
    """The only offset, at most that of `position`, before which the same stands in a file.

    A position knows only a checksum of these bytes, so it is made for each end of a line.
    """
    length = position.offset - anchor(position.offset)
    if length < LEAST_CONTEXT:
        return None
    data = read(0, max(0, min(size, MOST_SEARCHED, position.offset)))
    found = [
        end
        for end in islice(_line_ends(data), MOST_LINES)
        if end >= length and crc32(data[end - length : end]) == position.tail
    ]
    return found[0] if len(found) == 1 else None


def _line_ends(data: bytes) -> Iterator[int]:
    """The offset after each newline."""
    end = 0
    for line in BytesIO(data):
        end += len(line)
        if line.endswith(b"\n"):
            yield end
