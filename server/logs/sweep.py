"""Notices which of many files have grown: one look at all of them, again and again."""

import asyncio

from server.logs.files import File
from server.logs.trouble import CannotReadError

PAUSE = 0.05
"""Seconds between two looks."""

POLL = 0.1
"""Seconds between two looks at a log while nothing comes, at the least."""

LONGEST_POLL = 1.0
"""The same at the most."""

EACH = 0.005
"""Seconds by which each further log makes that longer: looks at all of them cost so much."""


class Sweep:
    """What the followers of several logs share while they wait."""

    def __init__(self) -> None:
        self.followers = 0
        """How many logs are followed."""
        self._waiting: dict[asyncio.Future[None], tuple[File, int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def poll(self) -> float:
        """Seconds after which a follower looks at its log though nothing seems to have come."""
        return min(LONGEST_POLL, max(POLL, EACH * self.followers))

    async def wait(self, file: File, size: int) -> None:
        """Wait until the file has another size, for about `poll` seconds at the most."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting[future] = file, size, loop.time() + self.poll
        if self._timer is None:
            self._timer = loop.call_later(PAUSE, self._look)
        try:
            await future
        finally:
            del self._waiting[future]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for future, (file, size, until) in self._waiting.items():
            if not future.done() and (now > until or _has_changed(file, size)):
                future.set_result(None)
        self._timer = loop.call_later(PAUSE, self._look) if self._waiting else None


def _has_changed(file: File, size: int) -> bool:
    try:
        return file.size != size
    except CannotReadError:
        return True  # whoever reads it finds out why
