"""A queue for clients that have something to read: a few of them in each round of the event loop.

The event loop runs all that is ready before it looks for anything new. A thousand clients that
all send as much as they can in one round would hold up everyone else: those who connect, and
those who only want one line. Who wants only what is new does not wait for those who are behind.
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
    """Lets few go on at a time, and fewer the longer they take.

    It begins with one of them, since nobody knows yet how long they take. In each round somebody
    who is behind goes on, too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._near: deque[asyncio.Future[None]] = deque()
        self._behind: deque[asyncio.Future[None]] = deque()
        self._clock = clock
        self._admitted = 1
        self._began: float | None = None

    def add(self, waiter: asyncio.Future[None], *, is_near: bool = False) -> None:
        """Let `waiter` be done when its turn has come: in the next round at the earliest.

        `is_near` says that it has only little to read, up to the live end.
        """
        if not self._near and not self._behind:
            waiter.get_loop().call_soon(self._admit)
        (self._near if is_near else self._behind).append(waiter)

    async def wait(self, *, is_near: bool = False) -> None:
        """Wait until those before have gone on."""
        waiter = asyncio.get_running_loop().create_future()
        self.add(waiter, is_near=is_near)
        await waiter

    def _admit(self) -> None:
        now = self._clock()
        if self._began is not None:
            self._admitted = next_admitted(self._admitted, now - self._began)
        self._began = now
        near = min(self._admitted, len(self._near))
        behind = min(max(1, self._admitted - near), len(self._behind))
        for queue, count in ((self._near, near), (self._behind, behind)):
            for _ in range(count):
                waiter = queue.popleft()
                if not waiter.done():  # cancelled: its client has left
                    waiter.set_result(None)
        if self._near or self._behind:
            asyncio.get_running_loop().call_soon(self._admit)
        else:
            self._began, self._admitted = None, 1
