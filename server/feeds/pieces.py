"""What was read of several logs and not sent yet: read once for all who want it."""

import asyncio
import time
from collections import OrderedDict

from server.feeds.merging import Chunk, Chunks
from server.feeds.served import ServedLog
from server.logs.generation import Lines, Place

LEAST = 1024 * 1024
"""Bytes that are kept at the least: what is dropped too early is read again for each batch."""

_Key = tuple[ServedLog, Place]


class Pieces:
    """Makes `chunks` of what follows places in logs, and keeps up to `memory` bytes of them."""

    def __init__(self, chunks: Chunks, memory: int) -> None:
        self._chunks = chunks
        self._most = max(LEAST, memory)
        self._size = 0
        self._kept: OrderedDict[_Key, Chunk] = OrderedDict()  # by where they end
        self._reading: dict[_Key, tuple[asyncio.Task[Chunk], float]] = {}  # by where they begin

    def resize(self, memory: int) -> None:
        """Keep up to `memory` bytes from now on."""
        self._most = max(LEAST, memory)
        self._evict()

    def kept(self, log: ServedLog, place: Place) -> Chunk | None:
        """What follows a place, if it was read already."""
        for (other, _), chunk in reversed(self._kept.items()):
            rest = chunk.after(place) if other is log else None
            if rest:
                return rest
        return None

    def reading(self, log: ServedLog, place: Place) -> tuple["asyncio.Task[Chunk]", float]:
        """The task that reads what follows a place, which is not the live end, and since when.

        Others wait for it, too.
        """
        key = log, place
        if key not in self._reading:
            task = asyncio.create_task(self._read(log, place))
            task.add_done_callback(lambda task: self._end(key, task))
            self._reading[key] = task, time.monotonic()
        return self._reading[key]

    def forget(self, log: ServedLog) -> None:
        """Drop all of a log."""
        for key, (task, _) in self._reading.items():
            if key[0] is log:
                task.cancel()
        for key in [key for key in self._kept if key[0] is log]:
            self._size -= self._kept.pop(key).size

    async def _read(self, log: ServedLog, place: Place) -> Chunk:
        selection = self._chunks.selection
        batch = await log.log.read(place, selection.seek if selection else None)
        chunk = self._chunks.chunk(log.name, batch)
        if isinstance(batch, Lines):  # a file that is missing may be there the next time
            key = log, chunk.end
            self._size -= self._kept.pop(key).size if key in self._kept else 0
            self._kept[key] = chunk
            self._size += chunk.size
            self._evict()
        return chunk

    def _end(self, key: _Key, task: "asyncio.Task[Chunk]") -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    def _evict(self) -> None:
        while self._size > self._most and len(self._kept) > 1:
            _, chunk = self._kept.popitem(last=False)
            self._size -= chunk.size
