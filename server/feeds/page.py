"""Lines of a log as the entries of a page: pure functions from batches to JSON.

An entry is an object. Each has an `id`: that of the place after it. A line has `line`, `level` and
`time`, which are null where it names none, and what else is to be said of it:

clipped: its length in bytes, if not all of them are here.
unfinished: it has no newline yet, or none up to the event that was asked for.
continued: it goes on with a line that was shown before it was finished.
hole: so many NUL bytes before it, which nobody wrote, are left out.

An entry with `gap` tells why lines are gone, or may be, between those before and after it, and how
many `bytes` if that is known. One with `hole` and without `line` is a hole at the end of the file.
"""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from server.filters.filter import Selection
from server.formats.detect import level_of
from server.logs.encoding import clip
from server.logs.generation import Change
from server.logs.lines import LineBatch
from server.logs.position import Position
from server.logs.times import time_of


class Entry(NamedTuple):
    """An entry of a page, and the place after it."""

    id: str
    data: bytes
    is_line: bool


def entries(batch: LineBatch, max_line: int) -> Iterator[tuple[Position, Entry]]:
    """The lines of a batch, each clipped to `max_line` bytes, and where they end."""
    is_continued = batch.is_continued
    for position, text in batch.positions():
        said: dict[str, object] = {}
        if batch.hole:
            said["hole"] = batch.hole
        if is_continued:
            said["continued"] = True
        if batch.is_unfinished and position == batch.end:
            said["unfinished"] = True
        if text or not batch.hole:
            length = batch.length - batch.hole if batch.is_cut else len(text)
            said = {**line(text, length, max_line, is_whole=not is_continued), **said}
        is_continued = False
        yield position, _entry(str(position), said)


def line(text: bytes, length: int, max_line: int, *, is_whole: bool = True) -> dict[str, object]:
    """What is said of a line of `length` bytes, of which at least `max_line` are in `text`.

    Of what goes on with a line, neither level nor time is known.
    """
    length -= text.endswith(b"\n")
    text = text.removesuffix(b"\n")
    said: dict[str, object] = {}
    if length > max_line:
        text = clip(text, max_line)
        said["clipped"] = length
    else:
        text = text.removesuffix(b"\r")
    level = level_of(text) if is_whole else None
    return {
        "line": text.decode("utf-8", "replace"),
        "level": level.name.lower() if level else None,
        "time": _iso(time_of(text)) if is_whole else None,
        **said,
    }


def gap(id: str, why: str, lost: int | None = None) -> Entry:
    """An entry that tells why lines before the place with this id are gone."""
    return _entry(id, {"gap": why, "bytes": lost})


def gap_of(change: Change) -> Entry:
    """The entry of a gap that was found while the log was read."""
    details = change.details
    return gap(change.end.id, details["why"], details["bytes"])


def _entry(id: str, said: dict[str, object]) -> Entry:
    data = json.dumps({"id": id, **said}, ensure_ascii=False).encode()
    return Entry(id, data, "line" in said)


def _iso(seconds: float | None) -> str | None:
    """A time as ISO 8601 has it, in UTC; None for one beyond the years that it can write."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def up_to(batch: LineBatch, offset: int) -> LineBatch:
    """What of a batch stands before an offset, which may be within a line that goes on since."""
    length = offset - batch.start.offset
    if batch.is_cut or length >= len(batch.lines):
        return batch
    part = batch.part(0, length)
    return part._replace(is_unfinished=not part.lines.endswith(b"\n"))


def without_begun(batch: LineBatch) -> LineBatch:
    """A batch without the rest of a line that begins before it."""
    if not batch.is_continued:
        return batch
    begin = 0 if batch.is_cut else batch.lines.find(b"\n") + 1
    if begin:
        return batch.part(begin, len(batch.lines))
    return batch._replace(lines=b"", start=batch.end, length=0, hole=0)


class Gathering:
    """Gathers entries: up to `count` lines, and one entry more than there is room for in bytes.

    It is full after these, or, if it `keeps_last`, drops the first ones and stays within the room,
    but for a single entry. `selection` finds the lines that are wanted; without it all are.
    """

    def __init__(
        self,
        count: int,
        room: int,
        max_line: int,
        selection: Selection | None,
        *,
        keeps_last: bool = False,
    ) -> None:
        self.entries: deque[Entry] = deque()
        self.lines = 0
        self.bytes = 0
        self.dropped: str | None = None
        """The id of the place after the last entry that was dropped."""
        self._count = count
        self._room = room
        self._max_line = max_line
        self._selection = selection
        self._keeps_last = keeps_last

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be taken in."""
        is_enough = self.lines >= self._count or self.bytes >= self._room
        return is_enough and not self._keeps_last

    def take(self, batch: LineBatch) -> Position:
        """Take in the lines of a batch that are wanted, and tell up to where that was done."""
        parts = iter([batch]) if self._selection is None else self._selection.parts(batch)
        for part in parts if batch.lines or batch.hole else ():
            for position, entry in entries(part, self._max_line):
                self.add(entry)
                if self.is_full:
                    return position
        return batch.end

    def add(self, entry: Entry) -> None:
        """Take in one entry."""
        self.entries.append(entry)
        self._count_in(entry, 1)
        while self._keeps_last and (
            self.lines > self._count or (self.bytes > self._room and len(self.entries) > 1)
        ):
            dropped = self.entries.popleft()
            self._count_in(dropped, -1)
            self.dropped = dropped.id

    def _count_in(self, entry: Entry, sign: int) -> None:
        self.lines += sign * entry.is_line
        self.bytes += sign * len(entry.data)
