"""A queue for clients that have much to read: a few of them in each round of the event loop.

The event loop runs all that is ready before it looks for anything new. A thousand clients that
all send as much as they can in one round would hold up everyone else: those who connect, and
those who only want one line.
"""

import asyncio
from collections import deque

ADMITTED = 16
"""How many go on in one round of the event loop."""


class FairQueue:
    """A queue for what takes about a tenth of a millisecond each."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()

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
        for _ in range(min(ADMITTED, len(self._queue))):
            waiter = self._queue.popleft()
            if not waiter.done():  # cancelled: its client has left
                waiter.set_result(None)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._admit)
