"""Where a log goes on whose front was cut off, as by `tail -n 200 app.log > t && mv t app.log`.

What stood before a position still stands in the file, at a lower offset. A place that is not
the only one is none: what cannot be told is a gap, not a guess.
"""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from zlib import crc32

from server.logs.position import Position, Read, anchor

MOST_SEARCHED = 8 * 1024 * 1024
"""Bytes at the start of a file in which a place is looked for."""

MOST_LINES = 100_000
"""Lines at whose ends it is looked for."""

LEAST_CONTEXT = 32
"""Bytes that must be the same: a line or two, so that they are not alike by chance."""

LEAST_IN_OTHERS = 256
"""The same for a file that is not the log: as many as a position proves at the least."""


def find_context(
    context: bytes, offset: int, read: Read, size: int, least: int = LEAST_CONTEXT
) -> int | None:
    """The offset, at most `offset`, after the only place where `context` stands in a file.

    `context` is what a client or the server has seen last; the file may begin within it, but must
    hold `least` bytes of it. `read(offset, length)` gives the file's bytes, of which there are
    `size`.
    """
    data = read(0, max(0, min(size, MOST_SEARCHED, offset)))
    if len(context) >= least and (at := data.find(context)) >= 0:
        return at + len(context) if data.find(context, at + 1) < 0 else None
    for start in _line_ends(context):
        rest = context[start:]
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
