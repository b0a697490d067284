"""Lines of several logs in one order, worked out from what was read of each: no files, no clocks.

Each log's own order is never changed. Between logs, the times that lines name decide, as far as
what was read reaches; a line without a time has that of the line before it.
"""

import secrets
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from math import inf
from typing import NamedTuple

from server.logs.encoding import JsonEncoder
from server.logs.generation import Change, LogBatch, Place
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
    """At least one."""

    @property
    def end(self) -> Place:
        return self.items[-1].end

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, roughly."""
        return sum(len(item.frames) + 200 for item in self.items)

    def after(self, place: Place) -> "Chunk | None":
        """The rest after a place within it; None if it has none there."""
        if place == self.start:
            return self
        if place.generation is not self.start.generation:
            return None
        offset = place.position.offset
        index = bisect_right(self.items, offset, key=lambda item: item.end.position.offset)
        is_within = 0 < index < len(self.items) and self.items[index - 1].end == place
        return Chunk(place, self.items[index:]) if is_within else None

    def up_to(self, end: Place) -> "Chunk":
        """The items up to a place; the first one in any case, which may lead past it."""
        if end.generation is not self.start.generation:
            return self
        count = bisect_right(
            self.items, end.position.offset, key=lambda item: item.end.position.offset
        )
        return self if count >= len(self.items) else Chunk(self.start, self.items[: max(1, count)])


class Chunks:
    """Makes chunks of what logs give, lines clipped to `max_line` bytes.

    The id of an event depends on the other logs, so something that nobody can guess stands in its
    place until it is sent.
    """

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._untold = secrets.token_hex(12)

    def chunk(self, log: str, batch: LogBatch) -> Chunk:
        """The first items of a batch of the log with this name, enough to go on with."""
        chunk = self.untimed(log, batch, ENOUGH)
        if isinstance(batch, Change):
            return chunk
        lines = [line for _, line in islice(batch.batch.positions(), len(chunk.items))]
        times = zip(chunk.items, _times(lines), strict=True)
        return chunk._replace(items=[item._replace(time=time) for item, time in times])

    def untimed(self, log: str, batch: LogBatch, most: float = inf) -> Chunk:
        """The items of a batch, of up to about `most` bytes. It is not asked for their times."""
        if isinstance(batch, Change):
            id = self._untold if batch.is_gap else None
            frames = told(batch.name, {"log": log, **batch.details}, id)
            return Chunk(batch.start, [Item(NEVER, batch.end, frames, 1)])
        generation, items = batch.start.generation, list[Item]()
        encode = JsonEncoder(self._max_line, log, self._no_id)
        for position, frames in encode.events(batch.batch):
            items.append(Item(NEVER, Place(generation, position), frames, frames.count(END)))
            most -= len(frames)
            if most < 0:
                break
        return Chunk(batch.start, items)

    def with_id(self, frames: bytes, id: str) -> bytes:
        """The frames of an item with the id that it has in a stream."""
        return frames.replace(self._untold.encode(), id.encode())

    def _no_id(self, position: Position) -> str:
        return self._untold


def _times(lines: Sequence[bytes]) -> Iterator[float]:
    """The times of lines, none less than the one before. Those before the first have that one."""
    named = [time_of(line) for line in lines]
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
