"""How far a client has come that is catching up: told in events without an id."""

import time
from collections.abc import Callable

from server.sse.event import control_event

INTERVAL = 0.5
"""Seconds between two such events."""

MOMENT = 1024 * 1024
"""What is left to read, in the feed's unit, where it is told: less takes next to no time."""


class Progress:
    """Says when to tell one client how far it has come. `lag` gives what it has yet to get."""

    __slots__ = ("_clock", "_done", "_lag", "_left", "_told")

    def __init__(self, lag: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._lag = lag
        self._clock = clock
        self._told, self._left, self._done = clock(), lag(), 0

    def note(self) -> bytes:
        """The event to send after something was read; empty if it is not time for one."""
        now = self._clock()
        if now - self._told < INTERVAL:
            return b""
        left = self._lag()
        self._done += max(0, self._left - left)  # more may have come than was read
        self._told, self._left = now, left
        return control_event("progress", done=self._done, left=left) if left >= MOMENT else b""
