"""A queue for clients that have much to read: a few of them in each round of the event loop.

The event loop runs all that is ready before it looks for anything new. A thousand clients that
all send as much as they can in one round would hold up everyone else: those who connect, and
those who only want one line.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

MOST_ADMITTED = 16
"""How many go on in one round of the event loop, at the most."""

LONG = 0.005
"""Seconds of a round after which fewer go on in the next one. Lines of a hundred bytes take a tenth
of a millisecond for each client, empty lines thirty times as long."""


def next_admitted(admitted: int, took: float) -> int:
    """How many go on in the next round, after one with `admitted` of them took `took` seconds."""
    return max(1, admitted // 2) if took > LONG else min(MOST_ADMITTED, admitted + 1)


class FairQueue:
    """Lets few go on at a time, and fewer the longer they take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()
        self._clock = clock
        self._admitted = MOST_ADMITTED
        self._began: float | None = None

    def add(self, waiter: asyncio.Future[None]) -> None:
        """Let `waiter` be done when its turn has come: in the next round at the earliest."""
        if not self._queue:
            waiter.get_loop().call_soon(self._admit)
        self._queue.append(waiter)

    async def wait(self) -> None:
        """Wait until those before have gone on."""
        waiter = asyncio.get_running_loop().create_future()
        self.add(waiter)
        await waiter

    def _admit(self) -> None:
        now = self._clock()
        if self._began is not None:
            self._admitted = next_admitted(self._admitted, now - self._began)
        self._began = now
        for _ in range(min(self._admitted, len(self._queue))):
            waiter = self._queue.popleft()
            if not waiter.done():  # cancelled: its client has left
                waiter.set_result(None)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._admit)
        else:
            self._began = None
