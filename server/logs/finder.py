"""Finds the file that holds a position without one client's search holding up another's.

A search in plain files waits for no other search. A search that needs a compressed file waits for
its turn: the file is unpacked once for all clients that want it, before the next file. Few searches
run at a time for positions that no file holds as they were.
"""

import asyncio
from typing import NamedTuple

from server.logs.archive import FoundFile, UnpackingNeededError
from server.logs.files import File
from server.logs.position import Position
from server.logs.search import Search
from server.logs.threads import Threads

MOST_GUESSES = 64
"""Positions that are in no file as they were, and of which traces are looked for at a time."""

AT_ONCE = 2
"""Compressed files that are searched at the same time."""


class TooManyError(Exception):
    """MOST_GUESSES positions that are in no file are being looked for."""


class _Wanted(NamedTuple):
    position: Position
    but: File | None
    found: "asyncio.Future[FoundFile | None]"


class Finder:
    """Runs the searches of `search` in `threads`."""

    def __init__(self, search: Search, threads: Threads) -> None:
        self._search = search
        self._threads = threads
        self._guesses = 0
        self._wanted: dict[int, list[_Wanted]] = {}  # by how the file begins
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Give up all searches for which others wait."""
        for task in self._tasks:
            task.cancel()
        for group in self._wanted.values():  # their tasks have not begun, and never will
            for wanted in group:
                wanted.found.cancel()

    async def find(self, position: Position, but: File | None = None) -> FoundFile | None:
        """The file that holds `position` and is not `but`, None if there is none."""
        find = self._search.find
        try:
            return await self._threads.searchers.run(find, position, but, may_unpack=False)
        except UnpackingNeededError:
            return await self._find_packed(position, but)

    async def find_elsewhere(self, position: Position) -> FoundFile | None:
        """A file with some of what stood before `position`. Raises TooManyError."""
        if self._guesses >= MOST_GUESSES:
            raise TooManyError
        self._guesses += 1
        try:
            return await self._threads.guessers.run(self._search.find_elsewhere, position)
        finally:
            self._guesses -= 1

    async def find_copy(self, position: Position) -> FoundFile | None:
        """The copy that was made shortly before `position` was written, None without one."""
        return await self._threads.unpackers.run(self._search.find_copy, position)

    async def _find_packed(self, position: Position, but: File | None) -> FoundFile | None:
        wanted = _Wanted(position, but, asyncio.get_running_loop().create_future())
        group = self._wanted.setdefault(position.head, [])
        group.append(wanted)
        if len(group) == 1:
            task = asyncio.ensure_future(self._find_all(position.head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await wanted.found

    async def _find_all(self, head: int) -> None:
        """Find all positions whose files begin so. A client that comes later gets another turn."""
        async with self._slots:
            group = self._wanted.pop(head)
            try:
                for wanted in group:
                    if not wanted.found.done():  # its client may have left
                        await self._find_one(wanted)
            finally:
                for wanted in group:
                    wanted.found.cancel()

    async def _find_one(self, wanted: _Wanted) -> None:
        position, but, found = wanted
        try:
            result = await self._threads.unpackers.run(self._search.find, position, but)
        except Exception as error:  # whoever asked for it is told; the others go on
            if not found.done():
                found.set_exception(error)
        else:
            if not found.done():
                found.set_result(result)
