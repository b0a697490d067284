"""Where the last lines that a filter wants begin: a log is read from its end."""

from typing import NamedTuple

from server.filters.filter import Selection
from server.logs.files import File
from server.logs.generation import Place
from server.logs.lines import lines_before
from server.logs.log import Log
from server.logs.position import CONTEXT, Read

MOST = 1024 * 1024 * 1024
"""Bytes that are looked at for one client, at the most."""

MOST_FILES = 1000
"""Files that are looked at for one client, at the most."""

STEP = 8 * 1024 * 1024
"""Bytes that are looked at in one go. After each, the next client has its turn, and one that has
left is noticed."""

BLOCK = 1024 * 1024
"""Bytes that are read at a time: less than a step, since matches may be near."""


class Looked(NamedTuple):
    """How far it was looked."""

    offset: int
    """Where the first line begins that was looked at, or the first one wanted if all were found."""
    found: int


def look_back(file: File, end_offset: int, count: int, selection: Selection) -> Looked:
    """Look for the last `count` lines wanted before the offset `end_offset`, in a step of the file.

    It belongs in a thread. Raises CannotReadError.
    """
    at, found, size, least = end_offset, 0, BLOCK, max(0, end_offset - STEP)
    while at > least:
        start = max(0, at - size)
        text = file.read(start, at - start)
        first = text.find(b"\n") + 1 if start else 0
        if start and first in (0, len(text)):  # all of it is within one line
            if size >= STEP:
                return Looked(start, found)
            size *= 2
            continue
        context = file.read(max(0, start + first - CONTEXT), min(start + first, CONTEXT))
        for begin, end in reversed(list(selection.spans(text[first:], context))):
            lines = text[first + begin : first + end]
            inside = lines.count(b"\n") + (not lines.endswith(b"\n"))
            if found + inside >= count:
                offset = lines_before(reader_of(lines), len(lines), count - found)
                return Looked(start + first + begin + offset, count)
            found += inside
        at, size = start + first, BLOCK
    return Looked(at, found)


def reader_of(text: bytes) -> Read:
    """What reads `text` in the way of `File.read`."""
    return lambda offset, length: text[offset : offset + length]


class Backwards:
    """Looks for the last lines of a log that `selection` wants, through all of its files."""

    def __init__(self, log: Log, selection: Selection, most: int = MOST) -> None:
        self._log = log
        self._selection = selection
        self._most = most

    async def back(self, count: int) -> Place:
        """The place before the last `count` lines wanted, or the oldest one that was looked at."""
        return await self._log.threads.patiently(self.back_now, count)

    async def back_now(self, count: int) -> Place:
        """As `back`. Raises CannotReadError if the log cannot be read now."""
        log, place, missing, left = self._log, self._log.end, count, self._most
        for _ in range(MOST_FILES):
            file = await log.history.file_of(place.generation) if missing else None
            while file and missing and left > 0 and place.position.offset:
                end = place.position.offset
                looked = await log.threads.counters.run(
                    look_back, file, end, missing, self._selection
                )
                missing, left = missing - looked.found, left - (end - looked.offset)
                position = await log.threads.readers.run(file.position, looked.offset)
                if position is None:
                    return place  # the file was cut off meanwhile
                place = place.generation.at(position)
            place = await log.places.with_id(place)
            before = await log.places.preceding(place) if file and missing and left > 0 else None
            if before is None:
                break
            place = before
        return place
