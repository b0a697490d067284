"""Finds the file that holds a position, whatever its name is by now.

Anyone may ask for positions that are nowhere, in crowds. So a search comes in three steps, of which
a forged position reaches the second one only if it knows how a file of the log begins:

1. `find` without unpacking: in files that can be read as they are;
2. `find`: in those compressed files, too, that begin as the one the position was taken from;
3. `find_elsewhere`: in files that do not hold the position as it was.

All of this reads files, and so belongs in a thread. Every method may raise OSError, with errno
EAGAIN while rotations come one after the other, and CannotReadError while the log itself cannot be
read: the caller tries again.
"""

from zlib import crc32

from server.logs.archive import (
    COPY_LAG,
    SHARED,
    Archive,
    FoundFile,
    may_hold,
    pass_over,
)
from server.logs.files import File
from server.logs.position import HEAD, Position
from server.logs.snapshot import Entry
from server.logs.trimming import LEAST_CONTEXT, MOST_SEARCHED, find_position
from server.logs.trouble import CannotReadError

MOST_TRIMMED = 16
"""Files in which a place is looked for at other offsets."""

LIKELY_LAG = 64 * 1024
"""Bytes by which a file may end before a position of which nothing else is known, to be taken for a
copy: a log that was cut back and written on looks the same, but holds lines that are new."""

MOST_UNPACKED = 3
"""How many of them may be compressed, but for small ones."""

SMALL = 64 * 1024
"""Bytes up to which a compressed file is small: to unpack it takes some milliseconds."""

MOST_BYTES = 3 * MOST_SEARCHED
"""Bytes that are looked at in all of them together."""


class Search:
    """Looks for positions in the files of `archive`."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def find(
        self, position: Position, but: File | None = None, *, may_unpack: bool = True
    ) -> FoundFile | None:
        """The file that holds `position` and is not `but`.

        Where several do, as just after a header that all of them share, it is the oldest:
        to begin too early sends lines twice, to begin too late loses some. A rotated file that
        cannot be read holds nothing. Raises UnpackingNeededError unless `may_unpack`.
        """
        # Youngest first: what is truncated by now was copied before, so the copy is seen.
        found, snapshot = None, self._archive.snapshot()
        for entry in reversed(snapshot.entries):
            if (but and but.identity == entry.identity) or not may_hold(entry, position):
                continue
            try:
                file = self._archive.open(entry, may_unpack=may_unpack)
                if file.holds(position):
                    found = FoundFile(file, position, self._archive.trace_of(file, snapshot))
                    if position.offset > SHARED:
                        break
            except CannotReadError as error:
                pass_over(entry, error)
        return found

    def find_elsewhere(self, position: Position) -> FoundFile | None:
        """The file in which some of what stood before `position` is, but not all as it was."""
        return self.find_copy(position, LIKELY_LAG) or self._find_trimmed(position)

    def find_copy(self, position: Position, lag: int = COPY_LAG) -> FoundFile | None:
        """The youngest rotated file that is a copy made up to `lag` bytes before `position`.

        logrotate's copytruncate copies, and the log grows before it is truncated. Of a damaged
        file it cannot be told how much is missing.
        """
        snapshot = self._archive.snapshot()
        for entry in reversed(snapshot.entries):
            if entry.is_log or not _may_be_copy(entry, position):
                continue
            try:
                file = self._archive.open(entry)
                is_near = position.offset <= file.size + lag
                if file.size < position.offset and (file.damage or is_near):
                    return FoundFile(file, position, self._archive.trace_of(file, snapshot))
            except CannotReadError:
                continue
        return None

    def _find_trimmed(self, position: Position) -> FoundFile | None:
        """The file whose front was cut off and whose rest still holds `position`.

        What stood before the position is looked for at other offsets, in the youngest files.
        """
        if position.offset < LEAST_CONTEXT:
            return None
        snapshot, left, packed = self._archive.snapshot(), MOST_BYTES, 0
        filled = [entry for entry in snapshot.entries if entry.facts.head]
        for entry in reversed(filled[-MOST_TRIMMED:]):
            packed += entry.is_packed and entry.seen.size > SMALL
            if left <= 0 or packed > MOST_UNPACKED:
                break
            try:
                file = self._archive.open(entry)
                left -= min(file.size, MOST_SEARCHED)
                found = find_position(position, file.read, file.size)
                place = file.position(found) if found else None
                if place:
                    return FoundFile(file, place, self._archive.trace_of(file, snapshot))
            except CannotReadError as error:
                pass_over(entry, error)
        return None


def _may_be_copy(entry: Entry, position: Position) -> bool:
    """Whether it begins as the file that `position` was taken from, and may end before it.

    Files that begin with a hole are alike: that proves nothing.
    """
    head = entry.facts.head
    if position.offset <= HEAD or len(head) < HEAD or not head.strip(b"\0"):
        return False
    return crc32(head) == position.head
