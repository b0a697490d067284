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
    """A queue for what takes about a tenth of a millisecond each."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()

    def add(self, turn: asyncio.Future[None]) -> None:
        """Let `turn` be done when it is its turn: in the next round at the earliest."""
        if not self._queue:
            turn.get_loop().call_soon(self._begin_round)
        self._queue.append(turn)

    async def take(self) -> None:
        """Wait for a turn."""
        turn = asyncio.get_running_loop().create_future()
        self.add(turn)
        await turn

    def _begin_round(self) -> None:
        for _ in range(min(_A_ROUND, len(self._queue))):
            turn = self._queue.popleft()
            if not turn.done():  # cancelled: its client has left
                turn.set_result(None)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._begin_round)
