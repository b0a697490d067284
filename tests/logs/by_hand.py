"""A follower that a test moves on, for what must hold while the log changes underneath."""

import asyncio

from server.logs.files import File
from server.logs.generation import Generation, Place, Trace
from server.logs.position import START
from tests.rotations import Log, copied_and_truncated


class FollowerByHand:
    """Has taken all that the log at `path` holds, and begins a generation when it is told to."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.progress = asyncio.Event()
        self.file = File.open(log.path)
        self._generation = Generation(1)

    @property
    def taken(self) -> int:
        return self.file.size

    @property
    def end(self) -> Place:
        return Place(self._generation, self.file.position(self.file.size) or START)

    def follows(self, file: File) -> bool:
        return file.identity == self.file.identity

    def came_after(self, other: Trace) -> bool:
        return True

    async def is_current(self) -> bool:
        return True

    def see_a_truncation(self) -> None:
        """The log is copied, truncated and written on, and the follower has taken all of that."""
        copied_and_truncated(self._log)
        self._log.write()
        self._generation = Generation(self._generation.number + 1)
