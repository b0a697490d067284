"""What comes from the file that is followed: from tail, or read without it."""

from collections.abc import Callable
from typing import Protocol

from server.logs.files import File
from server.logs.position import Read
from server.logs.sweep import Sweep
from server.logs.tailing import Tailing

READ_SIZE = 128 * 1024
"""Bytes that are read at a time where tail does not hand them over."""


class ReadFrom(Protocol):
    """Reads a file: at once where it is in memory, else in a thread."""

    async def __call__(self, file: File, look: Callable[[Read], bytes]) -> bytes: ...


class Intake:
    """Gives the bytes that follow."""

    def __init__(self, tailing: Tailing, read: ReadFrom, sweep: Sweep) -> None:
        self.tailing = tailing
        self._read = read
        self._sweep = sweep

    async def next(self, file: File, taken: int, is_live: bool) -> bytes | None:
        """The bytes after the offset `taken`, none after a while, None if tail has ended.

        What tail has not handed over by then is read from the file without it.
        """
        tailing = self.tailing
        if is_live and tailing.is_running:
            data = await tailing.read(taken, self._sweep.poll)
            if data is None or data:
                return data
        size = file.size
        if size > taken:
            return await self._read(file, lambda read: read(taken, READ_SIZE))
        if is_live and not tailing.is_running:
            await self._sweep.wait(file, size)
        return b""
