"""Where the last lines before a place begin that are wanted: a log is read backwards from there."""

import math
import sys
import time
from typing import NamedTuple

from server.filters.filter import Selection
from server.logs.files import File
from server.logs.generation import Place
from server.logs.lines import lines_before
from server.logs.log import Log
from server.logs.moments import MOST_FILES
from server.logs.position import CONTEXT, START, Read

MOST = 1024 * 1024 * 1024
"""Bytes that are looked at for one client, at the most."""

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
    size: int = 0
    """Bytes of the lines that were found."""
    is_all: bool = False
    """Whether these are as many as are wanted, or as there is room for."""


def look_back(
    file: File, end_offset: int, count: int, selection: Selection | None, room: int = sys.maxsize
) -> Looked:
    """Look for the last `count` lines wanted before the offset `end_offset`, in a step of the file.

    Without `selection`, all lines are wanted. No more of them are found than `room` bytes have room
    for, but for a single one. It belongs in a thread. Raises CannotReadError.
    """
    at, found, found_bytes, size = end_offset, 0, 0, BLOCK
    least = max(0, end_offset - STEP)
    while at > least:
        start = max(0, at - size)
        text = file.read(start, at - start)
        first = text.find(b"\n") + 1 if start else 0
        if start and first in (0, len(text)):  # all of it is within one line
            if size >= STEP:
                return Looked(start, found, found_bytes)
            size *= 2
            continue
        spans = [(0, len(text) - first)]
        if selection:
            context = file.read(max(0, start + first - CONTEXT), min(start + first, CONTEXT))
            spans = list(selection.spans(text[first:], context))
        for begin, end in reversed(spans):
            lines = text[first + begin : first + end]
            inside = _lines_in(lines)
            if found + inside >= count or found_bytes + len(lines) > room:
                wanted = min(count - found, inside)
                offset = lines_before(reader_of(lines), len(lines), wanted)
                offset = _fitting(lines, offset, room - found_bytes, is_first=not found)
                found += _lines_in(lines[offset:])
                found_bytes += len(lines) - offset
                return Looked(start + first + begin + offset, found, found_bytes, is_all=True)
            found += inside
            found_bytes += len(lines)
        at, size = start + first, BLOCK
    return Looked(at, found, found_bytes)


def _lines_in(lines: bytes) -> int:
    return lines.count(b"\n") + (bool(lines) and not lines.endswith(b"\n"))


def _fitting(lines: bytes, offset: int, room: int, *, is_first: bool) -> int:
    """Where the first line from `offset` on begins so that the rest has no more than `room` bytes.

    If `is_first`, the last line is kept however long it is.
    """
    if len(lines) - offset <= room:
        return offset
    offset = len(lines)
    if room > 0:
        offset = lines.find(b"\n", len(lines) - room - 1) + 1 or len(lines)
    return (
        lines_before(reader_of(lines), len(lines), 1)
        if is_first and offset == len(lines)
        else offset
    )


def reader_of(text: bytes) -> Read:
    """What reads `text` in the way of `File.read`."""
    return lambda offset, length: text[offset : offset + length]


class View(NamedTuple):
    """What was seen of a log from a place backwards."""

    place: Place
    """Before the lines that are wanted, or the oldest one that was looked at."""
    found: int
    looked: int
    """Bytes that were looked at."""
    is_gone: bool
    """Whether what stands before `place` is in no file any more."""


class Backwards:
    """Looks for the last lines of a log that `selection` wants, through all of its files.

    Without it, all lines are wanted. `most` is how many bytes are looked at, and `seconds` for how
    long.
    """

    def __init__(
        self,
        log: Log,
        selection: Selection | None,
        most: int = MOST,
        seconds: float = math.inf,
    ) -> None:
        self._log = log
        self._selection = selection
        self._most = most
        self._seconds = seconds

    async def back(self, count: int) -> Place:
        """The place before the last `count` lines wanted, or the oldest one that was looked at."""
        return await self._log.threads.patiently(self.back_now, count)

    async def back_now(self, count: int) -> Place:
        """As `back`. Raises CannotReadError if the log cannot be read now."""
        return (await self.look(self._log.end, count)).place

    async def look(self, place: Place, count: int, room: int = sys.maxsize) -> View:
        """Look for the last `count` lines wanted before `place`: see `look_back`.

        Raises CannotReadError if the log cannot be read now.
        """
        log, found, left, is_all, is_gone = self._log, 0, self._most, not count, False
        deadline, looked_at = time.monotonic() + self._seconds, 0
        for _ in range(MOST_FILES):
            is_on = not is_all and place.position.offset > 0
            file = await log.history.file_at(place) if is_on else None
            is_gone = is_on and file is None
            while file and not is_all and left > 0 and place.position.offset:
                end = place.position.offset
                wanted = end, count - found, self._selection, room
                looked = await log.threads.counters.run(look_back, file, *wanted)
                found, room = found + looked.found, room - looked.size
                left = left - (end - looked.offset) if time.monotonic() < deadline else 0
                looked_at += end - looked.offset
                is_all = looked.is_all or room <= 0
                position = await log.threads.readers.run(file.position, looked.offset)
                if position is None:  # the file was cut off meanwhile
                    return View(place, found, looked_at, is_gone=True)
                place = place.generation.at(position)
            start = place.generation.at(START) if is_gone else place
            start = await log.places.with_id(start)
            before = await log.places.preceding(start) if not is_all and left > 0 else None
            if before is None:
                break
            place, is_gone = before, False
        return View(await log.places.with_id(place), found, looked_at, is_gone)
