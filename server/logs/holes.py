"""Holes in a file: what nobody wrote reads as NUL bytes, and need not be read.

A file has one where it was truncated under a writer that does not append, or made longer. It may
be of any length, though it takes no room on the disk.
"""

from functools import partial

from server.logs.files import File
from server.logs.lines import lines_before
from server.logs.position import Position

LEAST = 1024 * 1024
"""Bytes of a hole that are stepped over rather than read."""


def hole_at(file: File, offset: int, end: int) -> int:
    """The length of the hole that begins at `offset`, up to `end`; 0 if it is less than LEAST."""
    if end - offset < LEAST:
        return 0
    length = min(file.data_from(offset), end) - offset
    return length if length >= LEAST else 0


def position_before(file: File, end: int, lines: int) -> Position | None:
    """Where the last `lines` lines before `end` begin; None if the file is shorter by now."""
    return file.position(lines_before(file.read, end, lines, partial(hole_before, file)))


def hole_before(file: File, offset: int) -> int:
    """Where the hole that ends at `offset` begins; `offset` itself if there is none."""
    low, high = 0, offset
    while low < high:
        middle = (low + high) // 2
        if file.data_from(middle) >= offset:
            high = middle
        else:
            low = middle + 1
    return low
