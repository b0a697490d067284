"""Programs that are started again when they end: after how long, and what is said of it."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from server.sources.contract import ENDED, STARTED, Tell
from server.supervision import next_delay

STEADY = 5.0
"""Seconds of running after which a program that had ended counts as well again."""

_MEANINGS = {
    126: "the shell may not execute it, or it is no program",
    127: "the shell finds no such command",
}


class End(NamedTuple):
    """How a program has ended: in words that follow its name, and as details of an event."""

    why: str
    details: Mapping[str, object]


def how_it_ended(code: int | None) -> End:
    """What an exit code says, as a shell has it; None if nobody knows it."""
    if code is None:
        return End("has ended, and how is not known", {})
    if code > 128:
        with suppress(ValueError):
            name = signal.Signals(code - 128).name
            return End(f"has ended by {name}", {"signal": name})
    meaning = f" ({_MEANINGS[code]})" if code in _MEANINGS else ""
    return End(f"has ended with exit code {code}{meaning}", {"code": code})


class Restarts:
    """Runs `once` again and again, which gives how the program has ended.

    `delay` gives the seconds until the next start, as `next_delay` does.
    """

    def __init__(
        self,
        once: Callable[[], Awaitable[End]],
        delay: Callable[[float, float], float] = next_delay,
    ) -> None:
        self.count = 0
        """How often the program was started again."""
        self._once = once
        self._delay = delay
        self._ended = ""
        self._since = float("inf")

    @property
    def problem(self) -> str:
        """That the program does not run, or did not a moment ago."""
        return self._ended if time.monotonic() - self._since < STEADY else ""

    async def run(self, tell: Tell) -> None:
        """Go on until this is cancelled."""
        delay = 0.0
        while True:
            self._since = time.monotonic()
            tell(STARTED, {"restarts": self.count})
            end = await self._once()
            delay = self._delay(delay, time.monotonic() - self._since)
            self._since = float("inf")
            self._ended = f"{end.why}; it is started again in {delay:g} s"
            tell(ENDED, {"why": end.why, **end.details, "again_in": delay})
            await asyncio.sleep(delay)
            self.count += 1
