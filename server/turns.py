"""Turns: who has much to do lets others go on in between.

The event loop runs all that is ready before it looks for anything new. A thousand
clients that all send as much as they can in one round would hold up everyone else:
those who connect, and those who only want one line.
"""

import asyncio
from collections import deque

_A_ROUND = 16
"""How many have their turn in one round of the event loop."""


class Turns:
    """A queue for tasks of about a tenth of a millisecond."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn, in the next round of the event loop at the earliest."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._queue:
            loop.call_soon(self._begin_round)
        self._queue.append(turn)
        await turn

    def _begin_round(self) -> None:
        for _ in range(min(_A_ROUND, len(self._queue))):
            turn = self._queue.popleft()
            if not turn.done():  # cancelled: its client has left
                turn.set_result(None)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._begin_round)
