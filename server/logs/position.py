"""Positions in a log, which are the ids of its events.

A position says where a line ends, and carries a fingerprint of what stands before
it, so that it can be told whether some file (the log, a rotated copy, a copy that
was compressed) is the one it was taken from. Only content counts: a position
outlives a restart, a rename, a copy and a gzip.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, Self
from zlib import crc32

HEAD = 1024
"""How many bytes at the start of a file `Position.head` covers, at the most."""

_PAGE = 4096
_LEAST = 256

CONTEXT = _PAGE + _LEAST - 1
"""How many bytes before an offset `Position.tail` covers, at the most."""

# A file's offsets have 63 bits.
_TEXT = re.compile("([0-7]?[0-9a-f]{1,15})-([0-9a-f]{1,8})-([0-9a-f]{1,8})")

Read = Callable[[int, int], bytes]


def anchor(offset: int) -> int:
    """Where the bytes that `Position.tail` covers begin, for a position at `offset`.

    They begin at a multiple of 4096, so that the checksum of a line's position is
    the one of the line before, carried on over the line's own bytes: each byte is
    summed once. They are at least 256, or all there are.
    """
    return max(0, (offset - _LEAST) // _PAGE * _PAGE)


class Position(NamedTuple):
    """A place between two lines of a log.

    offset: bytes from the start of the file to just after the line's newline.
    head: CRC-32 of the first min(offset, HEAD) bytes of the file.
    tail: CRC-32 of the bytes from `anchor(offset)` to `offset`.

    Two files that are equal in all those bytes (the first 1,024, and the last 256
    to 4,351 before the offset) cannot be told apart at that position.
    """

    offset: int
    head: int
    tail: int

    def __str__(self) -> str:
        """The id: three lower-case hexadecimal numbers."""
        return f"{self.offset:x}-{self.head:x}-{self.tail:x}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The position that an id names, None if it is no id of ours."""
        match = _TEXT.fullmatch(text)
        return cls(*(int(field, 16) for field in match.groups())) if match else None

    @classmethod
    def at(cls, offset: int, read: Read) -> Self | None:
        """The position at `offset` of a file; None if the file is not that long.

        `read(offset, length)` gives the file's bytes, fewer at its end.
        """
        start = anchor(offset)
        head, tail = read(0, min(offset, HEAD)), read(start, offset - start)
        if len(head) < min(offset, HEAD) or len(tail) < offset - start:
            return None
        return cls(offset, crc32(head), crc32(tail))


START = Position(0, 0, 0)
"""The start of any file: nothing stands before it."""
