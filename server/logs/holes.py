"""Holes in a file: what nobody wrote reads as NUL bytes, and need not be read.

A file has one where it was truncated under a writer that does not append, or made longer. It may
be of any length, though it takes no room on the disk.
"""

from server.logs.files import File

LEAST = 1024 * 1024
"""Bytes of a hole that are stepped over rather than read."""


def hole_at(file: File, offset: int, end: int) -> int:
    """The length of the hole that begins at `offset`, up to `end`; 0 if it is less than LEAST."""
    if end - offset < LEAST:
        return 0
    length = min(file.data_from(offset), end) - offset
    return length if length >= LEAST else 0


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
