"""Lines of several logs in one order, worked out from what was read of each: no files, no clocks.

Each log's own order is never changed. Between logs, the times that lines name decide, as far as
what was read reaches; a line without a time has that of the line before it.
"""

import secrets
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain, islice
from math import inf
from typing import NamedTuple

from server.feeds.objects import JsonEncoder
from server.filters.filter import Selection
from server.logs.generation import Change, Lines, LogBatch, Place
from server.logs.lines import LineBatch
from server.logs.position import Position
from server.logs.times import time_of
from server.sse.event import END, told

NEVER = -inf
"""The time of a line that names none, and before which none is known."""

FOREVER = inf

ENOUGH = 32 * 1024
"""Bytes of frames of one log that are made ready at a time, give or take a line: those of several
logs are sent together, and what is not sent soon may have to be made again."""


class Item(NamedTuple):
    """A line of a log, or what has happened to it, with all that is said of that."""

    time: float
    """Seconds since 1970; never less than that of the item before it in its chunk."""
    end: Place
    """The place of the log after it."""
    frames: bytes
    """The id is still missing in them: see `Chunks.with_id`."""
    events: int


class Chunk(NamedTuple):
    """What was read of a log, from `start` on."""

    start: Place
    items: Sequence[Item]
    """At least one. Where only some lines are wanted, the last one may have no frames: it says how
    far the log was looked through."""
    searched: Lines | None = None
    """The lines among which those that are wanted were looked for; None if all are wanted."""

    @property
    def end(self) -> Place:
        return self.items[-1].end

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, roughly."""
        searched = len(self.searched.batch.lines) if self.searched else 0
        return searched + sum(len(item.frames) + 200 for item in self.items)

    def after(self, place: Place) -> "Chunk | None":
        """The rest after a place within it; None if it has none there."""
        if place == self.start:
            return self
        if place.generation is not self.start.generation:
            return None
        offset = place.position.offset
        index = bisect_right(self.items, offset, key=lambda item: item.end.position.offset)
        is_within = 0 < index < len(self.items) and self.items[index - 1].end == place
        return self._replace(start=place, items=self.items[index:]) if is_within else None

    def up_to(self, end: Place) -> "Chunk":
        """The items up to a place, at which a line ends as a rule.

        If none ends there, and lines are not looked for, there is the first one at least, which
        leads past it.
        """
        if end.generation is not self.start.generation:
            return self
        count = bisect_right(
            self.items, end.position.offset, key=lambda item: item.end.position.offset
        )
        if count == len(self.items):
            return self
        items = list(self.items[:count])
        if self._was_searched_to(end) and not (items and items[-1].end == end):
            items.append(Item(self.items[count].time, end, b"", 0))
        return self._replace(items=items or self.items[:1])

    def _was_searched_to(self, end: Place) -> bool:
        """Whether it is known of all lines up to `end` whether they are wanted."""
        if self.searched is None or self.searched.batch.is_cut:
            return False
        length = end.position.offset - self.searched.start.position.offset
        return length > 0 and self.searched.batch.lines[length - 1 : length] == b"\n"


class Chunks:
    """Makes chunks of what logs give, lines clipped to `max_line` bytes.

    With a `selection`, only of the lines that it finds.

    The id of an event depends on the other logs, so something that nobody can guess stands in its
    place until it is sent.
    """

    def __init__(self, max_line: int, selection: Selection | None = None) -> None:
        self.selection = selection
        self._max_line = max_line
        self._untold = secrets.token_hex(12)

    def chunk(self, log: str, batch: LogBatch) -> Chunk:
        """The first items of a batch of the log with this name, enough to go on with."""
        if isinstance(batch, Change):
            return self.untimed(log, batch)
        parts = self._parts(batch)
        chunk = self._of_parts(log, batch, parts, ENOUGH)
        lines = (line for part in parts for _, line in part.positions())
        named = [time_of(line) for line in islice(lines, len(chunk.items))]
        if len(named) < len(chunk.items):
            named.append(time_of(batch.batch.lines[batch.batch.lines.rfind(b"\n", 0, -1) + 1 :]))
        timed = zip(chunk.items, _times(named), strict=True)
        return chunk._replace(items=[item._replace(time=time) for item, time in timed])

    def untimed(self, log: str, batch: LogBatch) -> Chunk:
        """All items of a batch. It is not asked for their times."""
        if isinstance(batch, Change):
            id = self._untold if batch.is_gap else None
            frames = told(batch.name, {"log": log, **batch.details}, id)
            return Chunk(batch.start, [Item(NEVER, batch.end, frames, 1)])
        return self._of_parts(log, batch, self._parts(batch))

    def _parts(self, batch: Lines) -> Sequence[LineBatch]:
        return [*self.selection.parts(batch.batch)] if self.selection else [batch.batch]

    def _of_parts(
        self, log: str, batch: Lines, parts: Sequence[LineBatch], most: float = inf
    ) -> Chunk:
        """The items of parts of a batch, of up to about `most` bytes of frames."""
        generation, items = batch.start.generation, list[Item]()
        encode = JsonEncoder(self._max_line, log, self._no_id)
        searched = batch if self.selection else None
        for position, frames in chain.from_iterable(map(encode.events, parts)):
            items.append(Item(NEVER, Place(generation, position), frames, frames.count(END)))
            most -= len(frames)
            if most < 0:
                return Chunk(batch.start, items, searched)
        if not items or items[-1].end != batch.end:
            items.append(Item(NEVER, batch.end, b"", 0))
        return Chunk(batch.start, items, searched)

    def with_id(self, frames: bytes, id: str) -> bytes:
        """The frames of an item with the id that it has in a stream."""
        return frames.replace(self._untold.encode(), id.encode())

    def _no_id(self, position: Position) -> str:
        return self._untold


def _times(named: Sequence[float | None]) -> Iterator[float]:
    """The times of lines, by those that they name: none is less than the one before it.

    Lines before the first that names one have that one.
    """
    latest = next((time for time in named if time is not None), NEVER)
    for time in named:
        latest = latest if time is None else max(latest, time)
        yield latest


def in_order(chunks: Mapping[str, Chunk], unfinished: set[str]) -> Iterator[tuple[str, Item]]:
    """The items of several logs by their times, as far as is known.

    Of the logs in `unfinished` more follows after their chunks: nothing is given that is younger
    than the last item of one of these, since it may come too early.
    """
    horizon = min((chunks[log].items[-1].time for log in unfinished), default=FOREVER)
    ways = [[(item.time, log, item) for item in chunk.items] for log, chunk in chunks.items()]
    for time, log, item in merge(*ways, key=lambda way: way[:2]):
        if time > horizon:
            return
        yield log, item
