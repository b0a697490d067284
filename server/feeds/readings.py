"""What was read from disk, read and encoded once for all who want it at about the same time.

When many clients come back to a server that was restarted, none of what they have missed is in
memory yet.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from server.feeds.contract import Batch, Place

PIECE = 256 * 1024
"""Bytes of frames that a piece of the log makes, of lines of a hundred bytes, at the most."""


P = TypeVar("P", bound=Place)
B = TypeVar("B", bound=Batch)


class Readings(Generic[P, B]):
    """Reads with `read`, and keeps as many results as fit into about `most` bytes.

    lasts: whether what follows a place will always be true, so that others get it as well.
    """

    def __init__(
        self, read: Callable[[P], Awaitable[B]], lasts: Callable[[P, B], bool], most: int
    ) -> None:
        self._read = read
        self._lasts = lasts
        self._most = 0
        self._tasks: OrderedDict[P, asyncio.Task[B]] = OrderedDict()
        self._wanted: Counter[asyncio.Task[B]] = Counter()  # how many wait for each
        self.resize(most)

    def resize(self, most: int) -> None:
        """Keep as many results as fit into about `most` bytes."""
        self._most = max(1, most // PIECE)
        while len(self._tasks) > self._most:
            self._tasks.popitem(last=False)

    def clear(self) -> None:
        """Keep nothing of what was read. Those who wait get it."""
        self._tasks.clear()

    async def get(self, place: P) -> B:
        """What follows `place`. Raises what `read` raises."""
        task = self._tasks.get(place)
        if task is None:
            task = asyncio.ensure_future(self._begin(place))
            task.add_done_callback(partial(self._keep, place))
            self._tasks[place] = task
            if len(self._tasks) > self._most:
                self._tasks.popitem(last=False)
        else:
            self._tasks.move_to_end(place)
        self._wanted[task] += 1
        try:
            return await asyncio.shield(task)  # others wait for it, too
        finally:
            self._wanted[task] -= 1
            if not self._wanted[task]:
                del self._wanted[task]
                if not task.done():  # all have left
                    self._forget(place, task)
                    task.cancel()

    async def _begin(self, place: P) -> B:
        return await self._read(place)

    def _keep(self, place: P, task: "asyncio.Task[B]") -> None:
        """Keep it for others if it was a success, is not large, and will always be true."""
        if task.cancelled() or task.exception():
            self._forget(place, task)
            return
        block = task.result()
        if len(block.frames) > 4 * PIECE or not self._lasts(place, block):
            self._forget(place, task)

    def _forget(self, place: P, task: "asyncio.Task[B]") -> None:
        if self._tasks.get(place) is task:
            del self._tasks[place]
